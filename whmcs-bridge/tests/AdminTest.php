<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Cron;
use WHMCS\Module\Server\Turnpike\Breaker;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;
use WHMCS\Module\Server\Turnpike\Month;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * The service's page in the admin area, usage metrics and Server Sync.
 */
final class AdminTest extends BridgeTestCase
{
    private const SETTINGS = ['l2tp_psk' => self::PSK, 'support_l2tp' => 'on'];

    protected function setUp(): void
    {
        parent::setUp();
        turnpike_activate();
        Capsule::table('tbladmins')->insert(['id' => 1, 'firstname' => 'Grace &amp; Co', 'lastname' => 'Hopper']);
    }

    public function testTheTabShowsWhatTurnpikeSaysAndEscapesIt(): void
    {
        $peer = $this->peer();
        $peer->answer('admin-tab', ['account' => ['balance_bytes' => 5, 'enabled' => true], 'fields' => [
            ['label' => 'Account', 'value' => '7-41 <script>alert(1)</script>'],
            ['label' => 'Last <b>', 'value' => "one\ntwo"],
            ['label' => 'Router trouble', 'value' => ''], 'nonsense', ['label' => ['x'], 'value' => 'y'],
        ]]);
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41, self::SETTINGS));
        self::assertSame(['Account', 'Last &lt;b&gt;', 'Add traffic'], array_keys($fields));
        self::assertSame('7-41 &lt;script&gt;alert(1)&lt;/script&gt;', $fields['Account']);
        self::assertSame("one<br>\ntwo", $fields['Last &lt;b&gt;']);
        self::assertSame([[Sidecar::CONNECT_MS, Sidecar::PAGE_MS]], Limits::$set);
        self::assertSame(5, Facts::of(41)['balance_bytes']);
        $this->assertNoSecretsIn($this->logs() . implode($fields));
    }

    public function testNobodyIsAskedForAServiceThatHasNoAccount(): void
    {
        $peer = $this->peer();
        foreach (['Pending', 'Terminated', 'Cancelled', 'Fraud'] as $status) {
            self::assertSame([], turnpike_AdminServicesTabFields(['status' => $status] + Kernel::params(41)));
        }
        self::assertSame([], turnpike_AdminServicesTabFields(['addonId' => 3] + Kernel::params(41)));
        self::assertSame([], turnpike_AdminServicesTabFields(null));
        self::assertSame([], $peer->requests());
    }

    public function testWithTurnpikeDownThePageHasOneRowThatSaysSo(): void
    {
        $this->pairWithNobody();
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertSame(['Turnpike'], array_keys($fields));
        self::assertStringContainsString('does not answer at http://127.0.0.1', $fields['Turnpike']);
        self::assertStringContainsString('[unreachable whmcs-', $fields['Turnpike']);
    }

    public function testTheButtonsCallTheirHooksAndSayWhoBlocked(): void
    {
        $_SESSION['adminid'] = 1;
        $peer = $this->peer();
        $service = ['username' => 'kunde', 'password' => self::SERVICE_PASSWORD, 'dedicated_address' => '10.8.0.2'];
        foreach (['disconnect', 'create', 'admin-block', 'admin-unblock', 'fup-reset'] as $hook) {
            $peer->answer($hook, ['account' => [], 'service' => $service]);
        }
        $peer->answer('usage-update', ['services' => [], 'skipped' => []]);
        foreach (turnpike_AdminCustomButtonArray() as $function) {
            self::assertSame('success', ('turnpike_' . $function)(Kernel::params(41)), $function);
        }
        $hooks = ['disconnect', 'usage-update', 'create', 'admin-block', 'admin-unblock', 'fup-reset'];
        self::assertSame($hooks, array_column($peer->requests(), 'hook'));
        self::assertSame(['reason' => 'by Grace & Co Hopper in WHMCS'], $peer->requests()[3]['body']['hook']);
        unset($_SESSION['adminid']);
        self::assertSame('success', turnpike_Block(Kernel::params(41)));
        self::assertSame(['reason' => 'by staff in WHMCS'], $peer->requests()[6]['body']['hook']);
        self::assertSame('10.8.0.2', $this->row(41)->dedicatedip, 're-applied');
    }

    /**
     * @runInSeparateProcess
     * @preserveGlobalState disabled
     */
    public function testNoButtonWorksInTheClientArea(): void
    {
        define('CLIENTAREA', true);
        $peer = $this->peer();
        foreach (turnpike_AdminCustomButtonArray() as $function) {
            self::assertSame('This is not available here.', ('turnpike_' . $function)(Kernel::params(41)));
        }
        self::assertSame([], $peer->requests());
    }

    public function testTrafficIsAddedOnceHoweverOftenThePageIsSavedAndTheNextPageSaysSo(): void
    {
        $_SESSION['adminid'] = 1;
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => []]);
        $peer->answer('client-area', ['state' => 'active', 'information' => [], 'traffic' => [
            'bytes_per_gb' => 1000000000]]);
        $peer->answer('add-traffic', ['account' => ['balance_bytes' => 7]]);
        $this->fill(turnpike_AdminServicesTabFields(Kernel::params(41)), '2,5', 'for the outage &lt;3');
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        $calls = array_values(array_filter($peer->requests(), static function (array $request): bool {
            return $request['hook'] === 'add-traffic';
        }));
        self::assertSame(2500000000, $calls[0]['body']['hook']['bytes'], 'by the size of a GB that Turnpike uses');
        self::assertSame("for the outage \u{2039}3 (Grace & Co Hopper)", $calls[0]['body']['hook']['note']);
        self::assertMatchesRegularExpression('/^whmcs-[0-9a-f]{32}$/', $calls[0]['body']['hook']['key']);
        self::assertSame($calls[0]['body']['hook'], $calls[1]['body']['hook'], 'the same key: Turnpike books it once');
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertStringContainsString('2,5 GB were added.', $fields['Turnpike']);
        self::assertArrayNotHasKey('Turnpike', turnpike_AdminServicesTabFields(Kernel::params(41)), 'said once');
        self::assertSame(7, Facts::of(41)['balance_bytes']);
        $keys = [];
        foreach ([1, 2] as $view) {
            preg_match('/name="turnpike_add_key" value="([^"]+)"/', $fields['Add traffic'], $key);
            $keys[] = $key[1];
            $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        }
        self::assertNotSame($keys[0], $keys[1], 'each page has a key of its own');
    }

    public function testSavingThePageWithoutAnAmountAddsNothing(): void
    {
        $peer = $this->peer();
        foreach (['', '  ', ['x'], null] as $amount) {
            $_SERVER['REQUEST_METHOD'] = 'POST';
            $_POST = ['turnpike_add_gb' => $amount, 'turnpike_add_key' => str_repeat('a', 32)];
            turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        }
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_POST = ['turnpike_add_gb' => '5', 'turnpike_add_key' => str_repeat('a', 32)];
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        self::assertSame([], $peer->requests());
    }

    /**
     * @dataProvider wrongAmounts
     */
    public function testAnAmountThatIsNoneIsSaidAndNotSent(string $amount): void
    {
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => []]);
        $this->fill(turnpike_AdminServicesTabFields(Kernel::params(41)), $amount, '');
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertStringContainsString('Nothing was added', $fields['Turnpike']);
        self::assertStringNotContainsString('<b>', $fields['Turnpike']);
        self::assertNotContains('add-traffic', array_column($peer->requests(), 'hook'));
    }

    /**
     * @return array<int, array{string}>
     */
    public function wrongAmounts(): array
    {
        return [['ten'], ['0'], ['0.00'], ['1.23456'], ['1e3'], ['999999999'], ['--1'], ['1 GB'], ['<b>'], ['.5']];
    }

    public function testAFailureToAddIsSaidOnThePageThatFollows(): void
    {
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => []]);
        $peer->refuse('add-traffic', 409, 'key-reused', 'The key was used with another number of bytes.');
        $this->fill(turnpike_AdminServicesTabFields(Kernel::params(41)), '-1', '');
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        self::assertSame(-Figures::GIGABYTE, $peer->requests()[1]['body']['hook']['bytes']);
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertStringContainsString('[key-reused ref-4711]', $fields['Turnpike']);
    }

    public function testWhatIsNotCertainComesAgainWithItsKeyAmountAndNoteUntilItIsSettled(): void
    {
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $form = static function (array $fields): array {
            preg_match_all('/name="(turnpike_add_\w+)" value="([^"]*)"/', $fields['Add traffic'], $found);
            return array_combine($found[1], array_map('html_entity_decode', $found[2]));
        };
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => []]);
        $this->fill(turnpike_AdminServicesTabFields(Kernel::params(41)), '2,5', 'the &quot;outage&quot;');
        $this->peer('slow');
        Limits::$shorten = 100;
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        Limits::$shorten = 1;
        $asked = $this->added($peer)[0];
        self::assertStringContainsString('not certain whether 2,5 GB were added to service 41', $this->logs());
        $this->peer();
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertStringContainsString('It is not certain whether the 2,5 GB were added.', $fields['Turnpike']);
        $again = ['turnpike_add_gb' => '2,5', 'turnpike_add_note' => 'the "outage"',
            'turnpike_add_key' => substr($asked['key'], strlen('whmcs-'))];
        self::assertSame($again, $form($fields));
        $other = $form(turnpike_AdminServicesTabFields(['serviceid' => 43] + Kernel::params(41)));
        self::assertSame('', $other['turnpike_add_gb'], 'another service has its own form');
        $this->pairWithNobody();
        $_POST = $form($fields);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        $this->peer();
        self::assertSame($again, $form(turnpike_AdminServicesTabFields(Kernel::params(41))), 'nobody answered');
        $peer->answer('add-traffic', ['account' => [], 'warning' => 'Profile <gold> is gone.']);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        self::assertSame($asked, $this->added($peer)[1], 'Turnpike books it once');
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertStringContainsString('2,5 GB were added. Profile ', $fields['Turnpike']);
        self::assertSame(['', ''], array_values(array_slice($form($fields), 0, 2)));
        self::assertNotSame($again['turnpike_add_key'], $form($fields)['turnpike_add_key'], 'settled');
    }

    public function testWhatIsNotCertainIsGivenUpByAnEmptyFormAndSettledByARefusal(): void
    {
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => []]);
        foreach (['given up', 'refused'] as $how) {
            $peer->refuse('add-traffic', 500, 'internal', 'A defect.');
            $_SERVER['REQUEST_METHOD'] = 'GET';
            $this->fill(turnpike_AdminServicesTabFields(Kernel::params(41)), '2', '');
            turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
            $sent = $_POST;
            $_POST = [];
            turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
            $form = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
            self::assertStringContainsString($sent['turnpike_add_key'], $form, 'a page without the form says nothing');
            $_POST = $sent;
            if ($how === 'given up') {
                $_POST['turnpike_add_gb'] = '';
            } else {
                $peer->refuse('add-traffic', 409, 'key-reused', 'The key was used with another number of bytes.');
            }
            turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
            $form = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
            self::assertStringNotContainsString($sent['turnpike_add_key'], $form);
            self::assertStringContainsString('name="turnpike_add_gb" value=""', $form);
        }
    }

    /**
     * @dataProvider editRoles
     */
    public function testARoleThatMayOnlyLookChangesNothingOnTheServicesPage(string $roles, bool $may): void
    {
        Capsule::table('tbladminroles')->insert(['id' => 2, 'name' => 'Sales &amp; Support']);
        Capsule::table('tbladmins')->where('id', 1)->update(['roleid' => 2]);
        Capsule::table('tbladdonmodules')->insert([
            'module' => 'turnpike', 'setting' => 'edit_roles', 'value' => $roles,
        ]);
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $_SESSION['adminid'] = 1;
        $peer = $this->peer();
        $peer->answer('admin-tab', ['fields' => [['label' => 'Account', 'value' => '7-41']]]);
        foreach (['disconnect', 'create', 'admin-block', 'admin-unblock', 'fup-reset', 'usage-update'] as $hook) {
            $peer->answer($hook, ['services' => [], 'skipped' => [], 'service' => ['username' => 'kunde',
                'password' => self::SERVICE_PASSWORD, 'dedicated_address' => '10.8.0.2']]);
        }
        $peer->answer('add-traffic', ['account' => []]);
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertSame('7-41', $fields['Account'], 'everybody looks');
        self::assertSame($may, isset($fields['Add traffic']));
        self::assertSame($may ? 6 : 0, count(turnpike_AdminCustomButtonArray()));
        $this->fill(['Add traffic' => 'name="turnpike_add_key" value="' . str_repeat('a', 32) . '"'], '1', '');
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        $says = turnpike_AdminServicesTabFields(Kernel::params(41))['Turnpike'];
        self::assertSame($may, strpos($says, 'Your role may not do this') === false);
        foreach (['ResetConnection', 'CollectNow', 'Reapply', 'Block', 'Unblock', 'ResetDay'] as $button) {
            $said = ('turnpike_' . $button)(Kernel::params(41));
            self::assertSame($may, $said === 'success', $button);
            self::assertSame(!$may, strpos($said, 'Your role may not do this') === 0);
        }
        self::assertSame($may ? 7 : 0, count(array_diff(array_column($peer->requests(), 'hook'), ['admin-tab'])));
        unset($_SESSION['adminid']);
        self::assertSame('success', turnpike_Block(Kernel::params(41)), 'WHMCS\'s API and cron have no role');
    }

    /**
     * @return array<string, array{string, bool}>
     */
    public function editRoles(): array
    {
        return ['empty' => ['', true], 'by name' => ['sales &amp; support', true], 'by number' => ['2', true],
            'others' => ['Full Administrator', false]];
    }

    public function testWhatWasDoneWithAWarningIsInTheActivityLogOnce(): void
    {
        $peer = $this->peer();
        $commands = ['Renew' => 'renew', 'SuspendAccount' => 'suspend', 'UnsuspendAccount' => 'unsuspend',
            'ChangePackage' => 'change-package', 'ResetDay' => 'fup-reset'];
        foreach ($commands as $command => $hook) {
            $peer->answer($hook, ['account' => [], 'warning' => "core-1 refuses <$hook>: no such profile"]);
            Kernel::$activity = Kernel::$activityOf = [];
            self::assertSame('success', Kernel::command($command, 41));
            $says = "core-1 refuses \u{2039}$hook\u{203a}: no such profile";
            self::assertSame(["Turnpike: $hook of service 41 is done, but: $says"], Kernel::$activity);
            self::assertSame([7], Kernel::$activityOf);
            $waits = ['account' => ['pending' => 1], 'warning' => 'core-1 refused the login'];
            $peer->answer($hook, $waits);
            Kernel::$activity = [];
            self::assertSame('success', Kernel::command($command, 41));
            $says = "Turnpike: $hook of service 41 is in the books, and waits for the router: core-1 refused the login";
            self::assertSame([$says], Kernel::$activity);
        }
    }

    public function testOneAccountsUsageWaitsNoLongerThanAPageDoes(): void
    {
        $silence = $this->pairWithSilence();
        Limits::$shorten = 50;
        $provider = turnpike_MetricProvider(Kernel::serverParams(3));
        self::assertSame([], $provider->tenantUsage('7-41'));
        self::assertSame([], $provider->tenantUsage('7-42'));
        self::assertSame([Sidecar::PAGE_MS], array_column(Limits::$set, 1), 'and rests as pages do');
        self::assertSame(0, Breaker::openSince(), 'a large server keeps nobody else from his page');
        self::assertSame([], $provider->usage());
        self::assertSame(Sidecar::USAGE_MS, Limits::$set[1][1], 'the cron asks whenever it runs');
        fclose($silence);
    }

    public function testTypedGigabytesBecomeExactBytes(): void
    {
        $gib = Figures::GIGABYTE;
        $cases = [['1', $gib], ['0.1', 107374182], ['12345678.9999', 12345678 * $gib + intdiv(9999 * $gib, 10000)],
            ['+2', 2 * $gib], ['-0,5', -536870912]];
        foreach ($cases as [$typed, $bytes]) {
            self::assertSame($bytes, Figures::fromGigabytes($typed, $gib));
        }
        self::assertSame(100000000, Figures::fromGigabytes('0.1', 1000000000));
    }

    public function testWhatCanBeBilledIsKnownWithoutAServerAndWithoutTheNetwork(): void
    {
        $this->pairWithNobody();
        $metrics = turnpike_MetricProvider([])->metrics();
        self::assertSame(['traffic_download', 'traffic_upload', 'traffic_total'], array_keys($metrics));
        foreach ($metrics as $name => $metric) {
            self::assertSame([$name, 'month'], [$metric->systemName, $metric->type]);
            self::assertInstanceOf(\WHMCS\UsageBilling\Metrics\Units\GigaBytes::class, $metric->units);
        }
        self::assertSame([], Limits::$set);
    }

    public function testUsageIsToldByUserNameInGigabytes(): void
    {
        $row = ['download_bytes' => 3 * Figures::GIGABYTE, 'upload_bytes' => 536870912];
        $this->peer()->answer('metrics', ['accounts' => [['username' => '7-41'] + $row, ['username' => 5] + $row,
            ['username' => '7-42', 'download_bytes' => -1] + $row, 'nonsense']]);
        $provider = turnpike_MetricProvider(Kernel::serverParams(3));
        $usage = $provider->usage();
        self::assertSame(['7-41'], array_keys($usage));
        $values = array_map(static function ($metric) {
            return $metric->usage->value();
        }, $usage['7-41']);
        self::assertSame(['traffic_download' => 3.0, 'traffic_upload' => 0.5, 'traffic_total' => 3.5], $values);
        self::assertCount(3, $provider->tenantUsage('7-41'));
        self::assertSame([], $provider->tenantUsage('nobody'));
        self::assertSame('username', turnpike_MetaData()['ListAccountsUniqueIdentifierField'], 'the key of tenants');
    }

    public function testTheFiguresOfAnotherMonthAreNotEnteredIntoThisOneAndSaidOnceADay(): void
    {
        $peer = $this->peer();
        $row = ['username' => '7-41', 'download_bytes' => 5, 'upload_bytes' => 5];
        $used = ['service_id' => 41, 'bandwidth_used_mb' => 1500, 'bandwidth_limit_mb' => 10240,
            'balance_bytes' => 7];
        $enter = static function (?string $month) use ($peer, $row, $used): array {
            $told = $month === null ? [] : ['month' => $month];
            $peer->answer('metrics', ['accounts' => [$row]] + $told);
            $peer->answer('usage-update', ['services' => [$used], 'skipped' => []] + $told);
            $peer->answer('cron', ['services' => [$used], 'skipped' => [], 'mails' => []] + $told);
            $usage = turnpike_MetricProvider(Kernel::serverParams(3));
            self::assertSame('success', turnpike_UsageUpdate(Kernel::serverParams(3)), 'collected it was');
            Cron::run();
            return [array_keys($usage->usage()), array_keys($usage->tenantUsage('7-41'))];
        };
        $peer->answer('netflow', ['records' => []]);
        $other = date('Y-m', time() + 40 * 86400);
        self::assertSame([[], []], $enter($other));
        self::assertSame([5, 6, '2026-01-01 00:00:00'], [(int) $this->row(41)->bwusage,
            (int) $this->row(41)->bwlimit, $this->row(41)->lastupdate], 'they stay as they were');
        self::assertSame(7, Facts::of(41)['balance_bytes'], 'what is of no month is learned');
        self::assertCount(1, Kernel::$activity);
        foreach ([$other, date('Y-m'), 'time.zone', 'turnpike.toml', '"UTC"'] as $named) {
            self::assertStringContainsString($named, Kernel::$activity[0]);
        }
        $said = Capsule::table('tbladdonmodules')->where('module', 'turnpike')->where('setting', 'month_trouble');
        $said->update(['value' => (string) (time() - 86401)]);
        $enter($other);
        self::assertCount(2, Kernel::$activity, 'and again on the next day');
        foreach ([null, date('Y-m'), '', 'December', $other . '-01'] as $usable) {
            Capsule::table('tblhosting')->where('id', 41)->update(['bwusage' => 5]);
            self::assertSame(['7-41'], $enter($usable)[0]);
            self::assertSame(1500, (int) $this->row(41)->bwusage);
        }
        self::assertCount(2, Kernel::$activity);
    }

    public function testAroundTheMonthsTurnClocksMayDifferAndNobodyIsTold(): void
    {
        // 00:00 on 1 December in Warsaw
        $midnight = 1796079600;
        date_default_timezone_set('Europe/Warsaw');
        try {
            $near = array_map(static function (int $seconds) use ($midnight): array {
                return [Month::isTurning('2026-11', $midnight + $seconds),
                    Month::isTurning('2026-12', $midnight + $seconds)];
            }, ['before' => -301, 'just before' => -300, 'just after' => 299, 'after' => 300]);
        } finally {
            date_default_timezone_set('UTC');
        }
        self::assertSame(['before' => [true, false], 'just before' => [true, true], 'just after' => [true, true],
            'after' => [false, true]], $near);
    }

    public function testWithTurnpikeDownNoUsageIsGuessed(): void
    {
        $this->pairWithNobody();
        self::assertSame([], turnpike_MetricProvider(Kernel::serverParams(3))->usage());
        self::assertStringContainsString('usage metrics were not read', implode(Kernel::$activity));
    }

    public function testServerSyncListsOursAndForeignAccounts(): void
    {
        Capsule::table('tblproducts')->where('id', 2)->update(['configoption1' => 'Gold &amp; Silver']);
        $this->peer()->answer('list-accounts', ['accounts' => [
            ['username' => 'kunde', 'service_id' => 41, 'address' => '10.8.0.2', 'enabled' => true,
                'profile' => 'default', 'comment' => 'WHMCS|Product ID:41|ada@example.net'],
            ['username' => 'old', 'service_id' => null, 'address' => null, 'enabled' => false, 'profile' => 'x',
                'comment' => 'my own <b>'],
            ['username' => ''], 'nonsense',
        ]]);
        $listed = turnpike_ListAccounts(Kernel::serverParams(3));
        self::assertTrue($listed['success']);
        self::assertCount(2, $listed['accounts']);
        [$ours, $foreign] = $listed['accounts'];
        self::assertMatchesRegularExpression('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/', $ours['created']);
        unset($ours['created'], $foreign['created']);
        self::assertSame(['email' => 'ada@example.net', 'username' => 'kunde', 'domain' => '',
            'uniqueIdentifier' => 'kunde', 'product' => 'Gold & Silver', 'primaryip' => '10.8.0.2',
            'status' => 'Active'], $ours);
        self::assertSame(['email' => '', 'username' => 'old', 'domain' => '', 'uniqueIdentifier' => 'old',
            'product' => '', 'primaryip' => '', 'status' => 'Suspended'], $foreign);
    }

    public function testServerSyncSaysWhyItHasNothing(): void
    {
        $this->pairWithNobody();
        $listed = turnpike_ListAccounts(Kernel::serverParams(3));
        self::assertFalse($listed['success']);
        self::assertStringContainsString('[unreachable ', $listed['error']);
        self::assertFalse(turnpike_ListAccounts([])['success']);
    }

    /**
     * @return array<int, array<string, mixed>> what was asked of add-traffic
     */
    private function added(Peer $peer): array
    {
        $bodies = array_column(array_filter($peer->requests(), static function (array $request): bool {
            return $request['hook'] === 'add-traffic';
        }), 'body');
        return array_column($bodies, 'hook');
    }

    /**
     * Fills in the form that the tab shows, as a browser would send it.
     *
     * @param array<string, string> $fields
     */
    private function fill(array $fields, string $gigabytes, string $note): void
    {
        preg_match('/name="turnpike_add_key" value="([^"]+)"/', $fields['Add traffic'], $key);
        $_SERVER['REQUEST_METHOD'] = 'POST';
        $_POST = ['turnpike_add_gb' => $gigabytes, 'turnpike_add_note' => $note, 'turnpike_add_key' => $key[1]];
    }
}
