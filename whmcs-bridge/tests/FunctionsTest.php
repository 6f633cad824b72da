<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Settings;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * The server module's functions against a Turnpike that works: what they send, what they return, what they write.
 */
final class FunctionsTest extends BridgeTestCase
{
    /** Command to hook. */
    private const COMMANDS = [
        'CreateAccount' => 'create',
        'SuspendAccount' => 'suspend',
        'UnsuspendAccount' => 'unsuspend',
        'TerminateAccount' => 'terminate',
        'Renew' => 'renew',
        'ChangePackage' => 'change-package',
        'ChangePassword' => 'change-password',
        'ResetConnection' => 'disconnect',
    ];

    public function testMetaDataNamesTheServerTheRouterPortsAndTheTenantKey(): void
    {
        $data = turnpike_MetaData();
        self::assertSame('1.1', $data['APIVersion']);
        self::assertTrue($data['RequiresServer']);
        self::assertSame('8728', $data['DefaultNonSSLPort']);
        self::assertSame('8729', $data['DefaultSSLPort']);
        self::assertSame('username', $data['ListAccountsUniqueIdentifierField']);
    }

    public function testTheOrderOfThe24SettingsIsFrozen(): void
    {
        $frozen = 'plan profile ppp_service download_mbps upload_mbps traffic_gb_one_time traffic_gb_monthly'
            . ' traffic_gb_quarterly traffic_gb_semi_annually traffic_gb_annually traffic_gb_biennially'
            . ' traffic_gb_triennially history_days threshold_gb threshold_template suspension_template'
            . ' instruction_url support_pptp support_l2tp l2tp_psk collect username_rule password_rule comment_prefix';
        self::assertSame(explode(' ', $frozen), array_keys(turnpike_ConfigOptions([])));
        self::assertSame(explode(' ', $frozen), Settings::NAMES);
    }

    public function testEverySettingHasALabelAHelpAndAKindThatWhmcsKnows(): void
    {
        $known = ['text', 'password', 'yesno', 'dropdown', 'radio', 'textarea'];
        foreach (turnpike_ConfigOptions() as $name => $field) {
            self::assertContains($field['Type'], $known);
            self::assertStringStartsNotWith('setting_', $field['FriendlyName'], $name);
            self::assertStringStartsNotWith('setting_', $field['Description'], $name);
            self::assertSame(isset($field['Loader']), in_array($name, ['plan', 'profile'], true));
            if (isset($field['Loader'])) {
                self::assertSame('text', $field['Type']);
                self::assertTrue(function_exists($field['Loader']));
            }
        }
    }

    /**
     * @dataProvider encodings
     */
    public function testTheBodySaysEverythingByNameAndAsItWasTyped(bool $encodes): void
    {
        Kernel::$encodes = $encodes;
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        $settings = ['plan' => 'Gold & Silver', 'download_mbps' => '12.5', 'l2tp_psk' => self::PSK];
        self::assertSame('success', Kernel::command('Renew', 41, $settings, ['configoptions' => [
            'traffic_gb|Traffic' => '200|200 GB a month', 'Disk Space' => '5', 'support_pptp' => 1,
        ]]));
        $body = $peer->requests()[0]['body'];
        self::assertSame(['version' => '8.13.1-release.1', 'bridge' => '0.1.0'], $body['whmcs']);
        self::assertSame([
            'id' => 3, 'name' => 'core-1', 'hostname' => 'vpn1.example.net', 'address' => '127.0.0.1', 'port' => 8729,
            'tls' => true, 'username' => 'whmcs', 'password' => self::SERVER_PASSWORD, 'certificate_sha256' => 'AB:CD',
            'addresses' => ['10.8.0.2', '10.8.0.16/28', '10.8.1.10-10.8.1.50', '10.8.2.1'],
        ], $body['server']);
        self::assertSame([
            'id' => 41, 'client_id' => 7, 'product_id' => 2, 'status' => 'Active', 'username' => 'kunde',
            'password' => self::SERVICE_PASSWORD, 'dedicated_address' => '', 'billing_cycle' => 'Monthly',
            'next_due_date' => '2026-12-01',
        ], $body['service']);
        self::assertSame(
            ['id' => 7, 'name' => 'Ada & Co Byron', 'email' => 'ada@example.net', 'language' => 'english'],
            $body['client']
        );
        self::assertSame(array_merge(Settings::NAMES, array_keys(Settings::LETTERS)), array_keys($body['settings']));
        self::assertSame('Gold & Silver', $body['settings']['plan']);
        self::assertSame(self::PSK, $body['settings']['l2tp_psk']);
        self::assertSame('', $body['settings']['threshold_gb']);
        self::assertSame(['traffic_gb' => '200', 'support_pptp' => '1'], $body['options']);
        self::assertStringContainsString('"hook":{}', $peer->requests()[0]['raw'], 'an empty object stays an object');
    }

    /**
     * @return array<string, array{bool}>
     */
    public function encodings(): array
    {
        return ['WHMCS encodes form values' => [true], 'WHMCS hands them over as typed' => [false]];
    }

    /**
     * @dataProvider secures
     * @param mixed $secure
     */
    public function testTheSecureBoxIsUnderstoodInEverySpelling($secure, bool $tls, int $port): void
    {
        $peer = $this->peer();
        $peer->answer('test-connection', ['router' => [], 'warnings' => []]);
        $params = ['serversecure' => $secure] + Kernel::serverParams(3);
        self::assertSame(['success' => true, 'error' => ''], turnpike_TestConnection($params));
        $server = $peer->requests()[0]['body']['server'];
        self::assertSame([$tls, $port], [$server['tls'], $server['port']]);
    }

    /**
     * @return array<int, array{mixed, bool, int}>
     */
    public function secures(): array
    {
        return [[true, true, 8729], ['on', true, 8729], [1, true, 8729], ['1', true, 8729], [false, false, 8728],
            ['', false, 8728], [0, false, 8728]];
    }

    public function testAnUnsavedServerIsTestedWithTheValuesInTheForm(): void
    {
        $peer = $this->peer();
        $peer->answer('test-connection', ['router' => [], 'warnings' => ['its clock is off by 90 s']]);
        turnpike_TestConnection([
            'serverip' => '198.51.100.9', 'serverhostname' => 'new.example.net', 'serverusername' => 'u',
            'serverpassword' => 'p&amp;w', 'serveraccesshash' => '', 'serversecure' => '', 'serverport' => '18728',
        ]);
        $server = $peer->requests()[0]['body']['server'];
        self::assertSame(0, $server['id']);
        self::assertSame(['new.example.net', '198.51.100.9', 18728, 'p&w', []], [
            $server['hostname'], $server['address'], $server['port'], $server['password'], $server['addresses'],
        ]);
        self::assertStringContainsString('its clock is off by 90 s', implode(Kernel::$activity));
    }

    public function testTheLoginIsReadFromTheServerRecordWhereACallCarriesNone(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', ['state' => 'missing']);
        $bare = ['serverusername' => '', 'serverpassword' => '', 'serverhostname' => '', 'serverip' => '',
            'serversecure' => '', 'serveraccesshash' => ''];
        turnpike_ClientArea($bare + Kernel::params(41));
        $server = $peer->requests()[0]['body']['server'];
        self::assertSame(
            ['whmcs', self::SERVER_PASSWORD, 'vpn1.example.net', true],
            [$server['username'], $server['password'], $server['hostname'], $server['tls']]
        );
    }

    public function testADueDateThatIsNoneIsLeftOut(): void
    {
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        Capsule::table('tblhosting')->where('id', 41)->update(['nextduedate' => '0000-00-00']);
        Kernel::command('Renew', 41);
        self::assertArrayNotHasKey('next_due_date', $peer->requests()[0]['body']['service']);
    }

    public function testEveryCommandCallsItsHookOnceWithinTheLifecycleLimitAndReturnsExactlySuccess(): void
    {
        $peer = $this->peer();
        foreach (self::COMMANDS as $command => $hook) {
            $peer->answer($hook, ['service' => [
                'username' => 'kunde', 'password' => self::SERVICE_PASSWORD, 'dedicated_address' => '10.8.0.2',
            ], 'account' => [], 'sessions' => 1]);
            self::assertSame('success', Kernel::command($command, 41, ['l2tp_psk' => self::PSK]), $command);
        }
        self::assertSame(array_values(self::COMMANDS), array_column($peer->requests(), 'hook'));
        self::assertSame(array_fill(0, 8, [Sidecar::CONNECT_MS, Sidecar::LIFECYCLE_MS]), Limits::$set);
        self::assertSame([1500, 3000, 8000, 25000, 30000], [Sidecar::CONNECT_MS, Sidecar::PAGE_MS, Sidecar::TEST_MS,
            Sidecar::LIFECYCLE_MS, Sidecar::USAGE_MS]);
        self::assertSame([], Kernel::$queue);
        $this->assertNoSecretsIn($this->logs());
    }

    public function testANewPasswordReachesTurnpikeAndIsStoredByWhmcs(): void
    {
        $peer = $this->peer();
        $peer->answer('change-password', ['account' => []]);
        $told = [];
        add_hook('AfterModuleChangePassword', 1, static function (array $vars) use (&$told): void {
            $told = $vars;
        });
        $new = ['password' => Kernel::typed('neu&<"1')];
        self::assertSame('success', Kernel::command('ChangePassword', 41, [], $new));
        self::assertSame('neu&<"1', $peer->requests()[0]['body']['service']['password']);
        self::assertSame('neu&<"1', decrypt($this->row(41)->password));
        $expected = ['serviceid' => 41, 'oldpassword' => self::SERVICE_PASSWORD, 'newpassword' => 'neu&<"1'];
        self::assertSame($expected, $told);
    }

    public function testWhatAHookOfTheOwnersPutsOverTheParametersIsSent(): void
    {
        $peer = $this->peer();
        $peer->answer('suspend', ['account' => []]);
        add_hook('PreModuleSuspend', 1, static function (): array {
            return ['suspendreason' => 'By the hook'];
        });
        self::assertSame('success', Kernel::command('SuspendAccount', 41, [], ['suspendreason' => 'Overdue']));
        self::assertSame(['reason' => 'By the hook'], $peer->requests()[0]['body']['hook']);
    }

    public function testSuspendSendsTheReasonAsTyped(): void
    {
        $peer = $this->peer();
        $peer->answer('suspend', ['account' => []]);
        Kernel::command('SuspendAccount', 41, [], ['suspendreason' => 'Overdue &amp; late']);
        self::assertSame(['reason' => 'Overdue & late'], $peer->requests()[0]['body']['hook']);
        self::assertSame('Suspended', $this->row(41)->domainstatus);
    }

    public function testCreateWritesWhatTurnpikeSettledAndNothingElse(): void
    {
        $this->service(42, 'Pending');
        $peer = $this->peer();
        $peer->answer('create', ['service' => ['username' => '7-42', 'password' => 'GeHeim23', 'status' => 'Fraud',
            'dedicated_address' => '10.8.0.2', 'userid' => 1], 'account' => []]);
        self::assertSame('success', Kernel::command('CreateAccount', 42));
        $row = $this->row(42);
        self::assertSame(['7-42', '10.8.0.2', 'Active', 7], [$row->username, $row->dedicatedip, $row->domainstatus,
            (int) $row->userid]);
        self::assertSame('GeHeim23', decrypt($row->password));
        self::assertStringNotContainsString('GeHeim23', $this->logs());
        self::assertSame('kunde', $this->row(41)->username, 'no other service is touched');
    }

    public function testCreateLeavesValuesThatWereKeptAsWhmcsStoredThem(): void
    {
        $peer = $this->peer();
        $before = $this->row(41)->password;
        $peer->answer('create', ['service' => ['username' => 'kunde', 'password' => self::SERVICE_PASSWORD,
            'dedicated_address' => '10.8.0.2'], 'account' => []]);
        self::assertSame('success', Kernel::command('CreateAccount', 41));
        self::assertSame($before, $this->row(41)->password);
    }

    /**
     * @dataProvider uselessCredentials
     * @param array<string, mixed> $service
     */
    public function testCreateFailsAndWritesNothingWhenTheAnswerCannotBeUsed(array $service): void
    {
        $this->service(42, 'Pending');
        $this->peer()->answer('create', ['service' => $service, 'account' => []]);
        $result = Kernel::command('CreateAccount', 42);
        self::assertMatchesRegularExpression('/^Turnpike answered .* \[answer-strange whmcs-[0-9a-f]{8}\]$/', $result);
        self::assertSame(['', '', 'Pending'], [$this->row(42)->username, $this->row(42)->dedicatedip,
            $this->row(42)->domainstatus]);
    }

    /**
     * @return array<int, array{array<string, mixed>}>
     */
    public function uselessCredentials(): array
    {
        $good = ['username' => '7-42', 'password' => 'GeHeim23', 'dedicated_address' => '10.8.0.2'];
        return [[[]], [['username' => ''] + $good], [['username' => "a\nb"] + $good], [['password' => 7] + $good],
            [['dedicated_address' => 'x'] + $good], [['username' => str_repeat('x', 256)] + $good]];
    }

    public function testTwiceTheSameCommandIsTwiceTheSameSuccess(): void
    {
        $this->service(42, 'Pending');
        $this->peer()->answer('create', ['service' => ['username' => '7-42', 'password' => 'GeHeim23',
            'dedicated_address' => '10.8.0.2'], 'account' => []]);
        self::assertSame('success', Kernel::command('CreateAccount', 42));
        self::assertSame('success', Kernel::command('CreateAccount', 42));
        self::assertSame('GeHeim23', decrypt($this->row(42)->password));
    }

    public function testAProductAddonIsRefusedWithASentence(): void
    {
        $peer = $this->peer();
        foreach (array_keys(self::COMMANDS) as $command) {
            $result = Kernel::command($command, 41, [], ['addonId' => 5]);
            self::assertStringContainsString('addon-unsupported', $result);
        }
        self::assertSame([], turnpike_ClientArea(['addonId' => 5] + Kernel::params(41)));
        self::assertSame([], $peer->requests());
    }

    public function testTheDropDownsShowPlansAndProfilesFromOneCall(): void
    {
        $peer = $this->peer();
        $peer->answer('options', ['profiles' => ['default', 'vpn'], 'plans' => ['Gold'], 'warning' => null]);
        $params = Kernel::serverParams(3);
        self::assertSame(['default' => 'default', 'vpn' => 'vpn'], turnpike_LoadProfiles($params));
        self::assertSame(['' => 'No plan: the fields below count', 'Gold' => 'Gold'], turnpike_LoadPlans($params));
        self::assertCount(1, $peer->requests());
        self::assertSame(Sidecar::TEST_MS, Limits::$set[0][1]);
    }

    public function testADropDownThatCannotBeFilledSaysWhy(): void
    {
        $peer = $this->peer();
        $peer->answer('options', ['profiles' => [], 'plans' => [], 'warning' => 'core-1 does not answer.']);
        try {
            turnpike_LoadProfiles(['serverip' => '198.51.100.1'] + Kernel::serverParams(3));
            self::fail('an exception is how WHMCS is told');
        } catch (\Exception $told) {
            self::assertStringContainsString('core-1 does not answer.', $told->getMessage());
        }
        self::assertSame(['' => 'No plan: the fields below count'], turnpike_LoadPlans([]));
        self::assertArrayNotHasKey('server', $peer->requests()[1]['body']);
        $this->pairWithNobody();
        $this->expectExceptionMessageMatches('/^Turnpike does not answer at http.*\[unreachable /');
        turnpike_LoadPlans(['serverip' => '198.51.100.2'] + Kernel::serverParams(3));
    }

    public function testASavedPlanStaysInTheListWhoeverIsSilent(): void
    {
        Capsule::table('tblproducts')->where('id', 2)->update(['configoption1' => Kernel::typed('Gold & Co')]);
        Capsule::table('tblproducts')->where('id', 9)->update(['configoption1' => 'of another module']);
        $none = ['' => 'No plan: the fields below count'];
        $peer = $this->peer();
        $peer->answer('options', ['plans' => ['Silver']]);
        $asked = Kernel::serverParams(3);
        $gone = ['Gold & Co' => 'Gold & Co (there is no such plan any more)'];
        $expected = $none + ['Silver' => 'Silver'] + $gone;
        self::assertSame($expected, turnpike_LoadPlans(['serverip' => '198.51.100.3'] + $asked));
        $peer->answer('options', ['plans' => ['Gold & Co']]);
        $offered = $none + ['Gold & Co' => 'Gold & Co'];
        self::assertSame($offered, turnpike_LoadPlans(['serverip' => '198.51.100.4'] + $asked));
        $this->pairWithNobody();
        $saved = $none + ['Gold & Co' => 'Gold & Co (saved; Turnpike does not answer)'];
        self::assertSame($saved, turnpike_LoadPlans(['serverip' => '198.51.100.5'] + $asked));
    }

    public function testASavedProfileStaysInTheListWhoeverIsSilent(): void
    {
        Capsule::table('tblproducts')->where('id', 2)->update(['configoption2' => Kernel::typed('vpn & co')]);
        Capsule::table('tblproducts')->where('id', 9)->update(['configoption2' => 'of another module']);
        $peer = $this->peer();
        $asked = Kernel::serverParams(3);
        $peer->answer('options', ['profiles' => ['a', 'default'], 'warning' => 'core-1 <x> does not answer.']);
        $unsure = " (not looked up on the router: core-1 \u{2039}x\u{203a} does not answer.)";
        self::assertSame(
            ['default' => "default$unsure", 'a' => "a$unsure", 'vpn & co' => "vpn & co$unsure"],
            turnpike_LoadProfiles(['serverip' => '198.51.100.6'] + $asked)
        );
        $peer->answer('options', ['profiles' => ['a', 'default'], 'warning' => null]);
        self::assertSame(
            ['default' => 'default', 'a' => 'a', 'vpn & co' => 'vpn & co (not found on the router)'],
            turnpike_LoadProfiles(['serverip' => '198.51.100.7'] + $asked),
            'and the default is the first: it is what an empty field stands for'
        );
        $peer->answer('options', ['profiles' => ['default', 'vpn & co'], 'warning' => null]);
        self::assertSame(
            ['default' => 'default', 'vpn & co' => 'vpn & co'],
            turnpike_LoadProfiles(['serverip' => '198.51.100.8'] + $asked)
        );
        $peer->answer('options', ['profiles' => ['default'], 'warning' => null]);
        $unsure = ' (not looked up on the router: choose a server group with a Turnpike server in it)';
        $serverless = ['default' => "default$unsure", 'vpn & co' => "vpn & co$unsure"];
        self::assertSame($serverless, turnpike_LoadProfiles(['whmcsVersion' => 'without a server']));
        $this->pairWithNobody();
        self::assertSame(
            ['default' => 'default', 'vpn & co' => 'vpn & co (saved; Turnpike does not answer)'],
            turnpike_LoadProfiles(['serverip' => '198.51.100.9'] + $asked)
        );
    }

    public function testAWarningAboutTheRouterSaysNothingOfPlans(): void
    {
        Capsule::table('tblproducts')->where('id', 2)->update(['configoption1' => 'Gold']);
        $peer = $this->peer();
        $peer->answer('options', ['profiles' => ['default'], 'plans' => ['Silver'], 'warning' => 'core-1 is silent.']);
        self::assertSame(
            ['', 'Silver', 'Gold'],
            array_keys(turnpike_LoadPlans(['serverip' => '198.51.100.10'] + Kernel::serverParams(3)))
        );
    }

    public function testTheLettersOfPlansAreTheAddonsSettingsOrAnOptions(): void
    {
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        $letters = function (array $options = []) use ($peer): array {
            self::assertSame('success', Kernel::command('Renew', 41, [], ['configoptions' => $options]));
            $body = $peer->requests()[count($peer->requests()) - 1]['body'];
            $settings = $body['settings'];
            return [$settings['slowed_template'], $settings['restored_template'], $body['options']];
        };
        self::assertSame(['slowed', 'restored', []], $letters(), 'until somebody saved something else');
        Capsule::table('tbladdonmodules')->insert([
            ['module' => 'turnpike', 'setting' => 'slowed_template', 'value' => Kernel::typed(' Slow & steady ')],
            ['module' => 'turnpike', 'setting' => 'restored_template', 'value' => ''],
        ]);
        self::assertSame(['Slow & steady', '', ['slowed_template' => 'Mine']], $letters(['slowed_template' => 'Mine']));
    }

    public function testUsageIsWrittenByPrimaryKeyForThatServerAloneAndSkippedServicesKeepTheirs(): void
    {
        foreach ([42, 43, 44, 45] as $id) {
            $this->service($id, 'Active', 'same name');
        }
        Capsule::table('tblhosting')->where('id', 44)->update(['server' => 4]);
        Capsule::table('tblhosting')->where('id', 45)->update(['packageid' => 9]);
        $peer = $this->peer();
        $usage = static function (int $id, $used, $limit): array {
            return ['service_id' => $id, 'bandwidth_used_mb' => $used, 'bandwidth_limit_mb' => $limit];
        };
        $peer->answer('usage-update', ['server_id' => 3, 'collected' => 2, 'services' => [
            $usage(41, 1500, 10240), $usage(42, 0, 0), $usage(44, 9, 9), $usage(45, 9, 9), $usage(999, 9, 9),
            $usage(43, '7', 9), 'nonsense', $usage(43, -1, 0),
        ], 'skipped' => [['service_id' => 43, 'reason' => 'its queue is <missing>']]]);
        self::assertSame('success', turnpike_UsageUpdate(Kernel::serverParams(3)));
        $figures = function (int $id): array {
            $row = $this->row($id);
            return [(int) $row->bwusage, (int) $row->bwlimit, (int) $row->diskusage, (int) $row->disklimit];
        };
        self::assertSame([1500, 10240, 0, 0], $figures(41));
        self::assertSame([0, 0, 0, 0], $figures(42));
        self::assertMatchesRegularExpression('/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/', $this->row(41)->lastupdate);
        self::assertNotSame('2026-01-01 00:00:00', $this->row(41)->lastupdate);
        foreach ([43, 44, 45] as $untouched) {
            self::assertSame([5, 6, 0, 0], $figures($untouched));
            self::assertSame('2026-01-01 00:00:00', $this->row($untouched)->lastupdate);
        }
        self::assertCount(1, Kernel::$activity);
        self::assertStringContainsString('1 service(s) on core-1', Kernel::$activity[0]);
        self::assertSame([[Sidecar::CONNECT_MS, Sidecar::USAGE_MS]], Limits::$set);
        self::assertArrayNotHasKey('service', $peer->requests()[0]['body']);
    }

    public function testUsageIsWrittenWholeOrNotAtAll(): void
    {
        $this->service(42, 'Active');
        $row = ['bandwidth_used_mb' => 1, 'bandwidth_limit_mb' => 2];
        $this->peer()->answer('usage-update', ['services' => [
            ['service_id' => 41] + $row, ['service_id' => 42] + $row,
        ], 'skipped' => []]);
        $writes = 0;
        Capsule::connection()->beforeExecuting(static function (string $query) use (&$writes): void {
            if (stripos($query, 'update') === 0 && ++$writes === 2) {
                throw new \RuntimeException('the disk is full');
            }
        });
        $result = turnpike_UsageUpdate(Kernel::serverParams(3));
        self::assertMatchesRegularExpression('/\[bridge-failed whmcs-[0-9a-f]{8}\]$/', $result);
        self::assertSame([5, 5], [(int) $this->row(41)->bwusage, (int) $this->row(42)->bwusage]);
        self::assertStringContainsString('the disk is full', $this->logs(), 'staff find the cause in the module log');
    }

    public function testNothingCanBeCalledByACustomersAddressBar(): void
    {
        self::assertSame([], turnpike_ClientAreaAllowedFunctions([]));
        self::assertFalse(function_exists('turnpike_ClientAreaCustomButtonArray'));
        foreach (turnpike_AdminCustomButtonArray([]) as $function) {
            self::assertTrue(function_exists("turnpike_$function"));
        }
    }

    public function testSenselessCallsEndInASentenceToo(): void
    {
        $this->peer();
        foreach (array_keys(self::COMMANDS) as $command) {
            foreach ([[], null, 'x', ['serviceid' => 999], ['serverid' => []]] as $params) {
                self::assertMatchesRegularExpression('/ \[[a-z-]+ \S+\]$/', ('turnpike_' . $command)($params));
            }
        }
        self::assertFalse(turnpike_TestConnection(null)['success']);
        self::assertIsString(turnpike_UsageUpdate(null));
        self::assertSame([], turnpike_ClientArea(null));
        self::assertSame([], turnpike_ClientArea(['modulelink' => 'index.php?m=turnpike']), 'taken for the addon\'s');
    }
}
