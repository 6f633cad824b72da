<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * The addon: pairing page and cron hook.
 */
final class AddonTest extends BridgeTestCase
{
    private const LINK = ['modulelink' => 'addonmodules.php?module=turnpike', 'version' => '0.1.0'];

    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        Capsule::table('tblemailtemplates')->insert([
            ['type' => 'product', 'name' => 'VPN traffic low'], ['type' => 'general', 'name' => 'Password Reset'],
        ]);
    }

    public function testActivatingTwiceAndUpgradingKeepWhatIsThere(): void
    {
        self::assertSame('success', turnpike_activate()['status']);
        $mail = ['mail_id' => '5', 'state' => 'delivered', 'error' => '', 'at' => 1];
        Capsule::table('mod_turnpike_mails')->insert($mail);
        self::assertSame('success', turnpike_activate()['status']);
        turnpike_upgrade(['version' => '0.0.9']);
        self::assertSame('success', Kernel::deactivate()['status']);
        self::assertSame(1, Capsule::table('mod_turnpike_mails')->count());
        $fields = ['edit_roles', 'plan_view_roles', 'plan_create_roles', 'plan_edit_roles', 'plan_delete_roles',
            'slowed_template', 'restored_template'];
        self::assertSame($fields, array_keys(turnpike_config()['fields']));
    }

    public function testDeactivatingSaysWhatWhmcsForgetsAndActivatingAgainMakesGoodTheRest(): void
    {
        $peer = $this->peer();
        turnpike_activate();
        Capsule::table('mod_turnpike_mails')->insert(['mail_id' => '5', 'state' => 'delivered', 'error' => '',
            'at' => 1]);
        Capsule::table('tbladdonmodules')->insert([
            'module' => 'turnpike', 'setting' => 'edit_roles', 'value' => 'Full Administrator',
        ]);
        $said = Kernel::deactivate()['description'];
        foreach (['pairing', 'roles that may change things (empty means every role', 'turnpike pair'] as $told) {
            self::assertStringContainsString($told, $said);
        }
        self::assertSame('success', turnpike_activate()['status']);
        self::assertStringContainsString('not connected to Turnpike yet', $this->page());
        $peer->answer('options', ['profiles' => [], 'plans' => [], 'warning' => null]);
        self::assertStringContainsString('checked and saved', $this->paste($peer->code()));
        $peer->answer('cron', $this->handedOut([]));
        run_hook('AfterCronJob');
        self::assertSame([5], $this->cronCalls($peer)[0]['body']['hook']['delivered'], 'what was kept goes on');
    }

    public function testADisabledTemplateIsSaidOnceAndItsMailsAreDoneWith(): void
    {
        Capsule::table('tblemailtemplates')->where('name', 'VPN traffic low')->update(['disabled' => 1]);
        Capsule::table('tblemailtemplates')->insert([
            'type' => 'product', 'name' => 'VPN traffic low', 'language' => 'polish', 'disabled' => 0,
        ]);
        $peer = $this->peer();
        $peer->answer('netflow', ['records' => []]);
        $mail = static function (int $id): array {
            return ['id' => $id, 'template' => 'VPN traffic low', 'service_id' => 41, 'variables' => []];
        };
        $peer->answer('cron', $this->handedOut([$mail(6), $mail(7)]));
        run_hook('AfterCronJob');
        $peer->answer('cron', $this->handedOut([$mail(8)]));
        run_hook('AfterCronJob');
        self::assertSame([], Kernel::$mails);
        self::assertCount(1, Kernel::$activity);
        self::assertStringContainsString('template VPN traffic low is disabled in WHMCS', Kernel::$activity[0]);
        self::assertStringContainsString('enable it under Email Templates', Kernel::$activity[0]);
        $told = $this->cronCalls($peer)[1]['body']['hook'];
        $why = ['error' => 'the e-mail template VPN traffic low is disabled in WHMCS', 'final' => true];
        $failed = [['id' => 6] + $why, ['id' => 7] + $why];
        self::assertSame([[], $failed], [$told['delivered'], $told['failed']], 'and Turnpike does not try ten times');
        Capsule::table('tblemailtemplates')->update(['disabled' => 0]);
        $peer->answer('cron', $this->handedOut([$mail(9)]));
        run_hook('AfterCronJob');
        self::assertCount(1, Kernel::$mails);
    }

    public function testAPastedCodeIsCheckedThenSavedAndThePageSaysHowTheyStand(): void
    {
        $peer = $this->peer();
        Capsule::table('tbladdonmodules')->delete();
        self::assertStringContainsString('not connected to Turnpike yet', $this->page());
        $peer->answer('options', ['profiles' => [], 'plans' => [], 'warning' => null, 'version' => '9.8.7']);
        $html = $this->paste($peer->code());
        self::assertStringContainsString('checked and saved', $html);
        self::assertStringContainsString('WHMCS and Turnpike are connected.', $html);
        self::assertMatchesRegularExpression('~Clocks</th><td>agree</td>~', $html);
        self::assertStringContainsString('9.8.7', $html);
        self::assertSame($peer->url(), Pairing::stored()->url());
        self::assertArrayNotHasKey('server', $peer->requests()[0]['body']);
        self::assertStringNotContainsString($peer->secret, $html . $this->logs());
        self::assertStringNotContainsString($peer->code(), $html);
        self::assertSame(Sidecar::TEST_MS, Limits::$set[0][1]);
    }

    public function testAnyAnswerThatTurnpikeSignedProvesThePairing(): void
    {
        $peer = $this->peer();
        Capsule::table('tbladdonmodules')->delete();
        $html = $this->paste($peer->code());
        self::assertStringContainsString('WHMCS and Turnpike are connected.', $html, 'a signed no-such-hook is enough');
        self::assertSame($peer->url(), Pairing::stored()->url());
    }

    public function testADriftingClockIsTold(): void
    {
        $peer = $this->peer();
        $peer->answer('options', ['profiles' => [], 'plans' => [], 'warning' => null]);
        $peer->ahead(-75);
        $html = $this->page();
        self::assertMatchesRegularExpression('~the clock of Turnpike is 7[456] s behind this one~', $html);
        self::assertStringContainsString('Set both by NTP', $html);
        self::assertMatchesRegularExpression('~Version of Turnpike</th><td>not known</td>~', $html);
    }

    /**
     * @dataProvider wrongPastes
     */
    public function testACodeThatIsNotProvedIsNotSavedAndTheDiagnosisIsPrecise(string $manner, string $says): void
    {
        $peer = $this->peer();
        $good = $peer->url();
        $code = $manner === 'nobody' ? Peer::codeOf('http://127.0.0.1:9', $peer->secret)
            : ($manner === 'nonsense' ? 'tp1_%%%' : $peer->code($manner));
        $html = $this->paste($code);
        self::assertStringContainsString('was not saved, and nothing was changed', $html);
        self::assertStringContainsString($says, $html);
        self::assertSame($good, Pairing::stored()->url(), 'the pairing that works stays');
    }

    /**
     * @return array<int, array{string, string}>
     */
    public function wrongPastes(): array
    {
        return [
            ['nobody', 'Turnpike does not answer at http://127.0.0.1:9'],
            ['nonsense', 'damaged'],
            ['wrong-secret', 'the secret here is not the one it has'],
            ['front-page', 'answered HTTP 200 without Turnpike&#039;s signature'],
            ['other-secret', 'a signature that does not hold'],
            ['redirect', 'answered HTTP 302'],
        ];
    }

    public function testAClockThatIsTooFarOffIsSavedAndSaid(): void
    {
        $peer = $this->peer();
        $html = $this->paste($peer->code('clock'));
        self::assertStringContainsString('differ by 340 s', $html);
        self::assertSame($peer->url('clock'), Pairing::stored()->url(), 'the code itself was right');
    }

    public function testAFormThatIsNotOursChangesNothing(): void
    {
        $peer = $this->peer();
        $good = $peer->url();
        $this->page();
        $nothing = ['token' => '', 'turnpike_form' => ''];
        foreach ([['token' => 'x'], ['turnpike_form' => 'x'], ['turnpike_form' => ['x']], $nothing] as $bad) {
            self::assertStringContainsString('had expired', $this->paste($peer->code('clock'), $bad));
            self::assertSame($good, Pairing::stored()->url());
        }
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_POST = [];
        $_GET = ['pairing_code' => $peer->code('clock')];
        $this->page();
        self::assertSame($good, Pairing::stored()->url(), 'an address alone changes nothing');
    }

    public function testARoleThatMayOnlyLookPairsNothing(): void
    {
        $peer = $this->peer();
        $peer->answer('options', ['profiles' => [], 'plans' => [], 'warning' => null]);
        $good = $peer->url();
        $this->paste($peer->code('clock'));
        Pairing::fromCode($peer->code())->store();
        $looks = self::LINK + ['edit_roles' => 'Full Administrator'];
        $html = $this->page($looks);
        self::assertStringContainsString('WHMCS and Turnpike are connected.', $html);
        self::assertStringNotContainsString('<form', $html);
        // The form of somebody who may, with tokens that fit.
        $_POST['turnpike_form'] = $_SESSION['turnpike_form'];
        $_POST['pairing_code'] = $peer->code('clock');
        $_SERVER['REQUEST_METHOD'] = 'POST';
        foreach (['pairing', 'overview'] as $name) {
            self::assertStringContainsString('Your role may not do this', $this->page($looks, $name));
            self::assertSame($good, Pairing::stored()->url());
        }
        Capsule::table('tbladdonmodules')->delete();
        self::assertStringContainsString('Your role may not do this', $this->page($looks, 'overview'));
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $html = $this->page($looks, 'overview');
        self::assertStringContainsString('not connected to Turnpike yet', $html);
        self::assertStringNotContainsString('<form', $html);
        self::assertSame(0, Capsule::table('tbladdonmodules')->count());
    }

    public function testWhatIsShownIsEscaped(): void
    {
        Pairing::fromCode(Peer::codeOf('http://127.0.0.1:9/<b>"x', str_repeat('A', 43)))->store();
        $html = $this->page(['modulelink' => '"><script>']);
        self::assertStringNotContainsString('<b>', $html);
        self::assertStringNotContainsString('<script', $html);
        self::assertSame([], Kernel::$notices);
    }

    public function testTheCronWritesUsageSendsMailsAndAcknowledgesThemAtItsNextRun(): void
    {
        $peer = $this->peer();
        $peer->answer('netflow', ['records' => []]);
        $peer->answer('cron', $this->handedOut([['id' => 5, 'template' => 'VPN traffic low', 'service_id' => 41,
            'variables' => ['username' => 'kunde', 'traffic_balance_gb' => 0.5, 'list' => ['x']]]]));
        run_hook('AfterCronJob');
        self::assertSame(1500, (int) $this->row(41)->bwusage);
        self::assertSame([['VPN traffic low', 41]], array_map(static function (array $mail): array {
            return [$mail['template'], $mail['service_id']];
        }, Kernel::$mails));
        $variables = Kernel::$mails[0]['variables'];
        self::assertSame(['kunde', 0.5], [$variables['username'], $variables['traffic_balance_gb']]);
        self::assertArrayNotHasKey('list', $variables);
        $peer->answer('cron', $this->handedOut([]));
        run_hook('AfterCronJob');
        run_hook('AfterCronJob');
        $told = array_column(array_column($this->cronCalls($peer), 'body'), 'hook');
        self::assertSame([[], [5], []], array_column($told, 'delivered'));
        self::assertSame([[], [], []], array_column($told, 'failed'));
        self::assertArrayNotHasKey('server', $peer->requests()[0]['body']);
        self::assertSame(Sidecar::USAGE_MS, Limits::$set[0][1]);
        self::assertSame([], Kernel::$activity);
    }

    public function testAMailWhoseAcknowledgementWasLostIsNotSentAgain(): void
    {
        $mail = ['id' => 'm-1', 'template' => 'VPN traffic low', 'service_id' => 41, 'variables' => []];
        $peer = $this->peer();
        $peer->answer('cron', $this->handedOut([$mail]));
        run_hook('AfterCronJob');
        $this->peer('other-secret');
        run_hook('AfterCronJob');
        $this->peer('ok');
        $peer->answer('cron', $this->handedOut([$mail]));
        run_hook('AfterCronJob');
        self::assertCount(1, Kernel::$mails, 'handed out twice, sent once');
        $told = array_column(array_column($this->cronCalls($peer), 'body'), 'hook');
        self::assertSame([[], ['m-1'], ['m-1']], array_column($told, 'delivered'), 'acknowledged until it was heard');
        self::assertSame(0, Capsule::table('mod_turnpike_mails')->count());
    }

    public function testOneThatCouldNotBeSentIsReportedWithItsCauseAndSentWhenItCan(): void
    {
        Kernel::$mailFails = static function (): void {
        };
        $mail = ['id' => 6, 'template' => 'VPN traffic low', 'service_id' => 41, 'variables' => []];
        $peer = $this->peer();
        $peer->answer('cron', $this->handedOut([$mail]));
        run_hook('AfterCronJob');
        $peer->answer('cron', $this->handedOut([]));
        run_hook('AfterCronJob');
        $failed = $this->cronCalls($peer)[1]['body']['hook']['failed'];
        self::assertSame(6, $failed[0]['id']);
        self::assertStringContainsString('Sending Failed', $failed[0]['error']);
        Kernel::$mailFails = null;
        $peer->answer('cron', $this->handedOut([$mail]));
        run_hook('AfterCronJob');
        self::assertCount(1, Kernel::$mails);
    }

    public function testACronThatDiedWhileSendingGivesTheMailBackAsFailed(): void
    {
        $peer = $this->peer();
        $peer->answer('cron', $this->handedOut([]));
        turnpike_activate();
        Capsule::table('mod_turnpike_mails')->insert([
            ['mail_id' => '8', 'state' => 'sending', 'error' => '', 'at' => time() - 3600],
            ['mail_id' => '9', 'state' => 'sending', 'error' => '', 'at' => time() - 5],
        ]);
        run_hook('AfterCronJob');
        $failed = $peer->requests()[0]['body']['hook']['failed'];
        self::assertSame([8], array_column($failed, 'id'), 'the other may be in the hands of a run beside this');
        self::assertSame(['9'], Capsule::table('mod_turnpike_mails')->pluck('mail_id')->all());
    }

    public function testAMailThatIsInHandAlreadyIsNotTakenAgain(): void
    {
        turnpike_activate();
        $other = ['mail_id' => '9', 'state' => 'sending', 'error' => '', 'at' => time()];
        Capsule::table('mod_turnpike_mails')->insert($other);
        $mail = ['template' => 'VPN traffic low', 'service_id' => 41, 'variables' => []];
        $mails = [['id' => 9] + $mail, ['id' => 3] + $mail, ['id' => 3] + $mail];
        $this->peer()->answer('cron', $this->handedOut($mails));
        run_hook('AfterCronJob');
        self::assertCount(1, Kernel::$mails, 'neither one of a run beside this one, nor one twice');
    }

    public function testOnlyProductTemplatesToServicesOfOursAreSent(): void
    {
        $this->service(45, 'Active');
        Capsule::table('tblhosting')->where('id', 45)->update(['packageid' => 9]);
        $mails = [];
        $wrong = [['Password Reset', 41], ['no such', 41], ['VPN traffic low', 45], ['VPN traffic low', 999], [7, 41],
            ['VPN traffic low', '41']];
        foreach ($wrong as $index => [$template, $service]) {
            $mails[] = ['id' => 20 + $index, 'template' => $template, 'service_id' => $service, 'variables' => []];
        }
        $mails[] = ['id' => null, 'template' => 'VPN traffic low', 'service_id' => 41];
        $mails[] = ['id' => str_repeat('x', 65), 'template' => 'VPN traffic low', 'service_id' => 41];
        $peer = $this->peer();
        $peer->answer('cron', $this->handedOut($mails));
        run_hook('AfterCronJob');
        self::assertSame([], Kernel::$mails);
        self::assertSame(6, Capsule::table('mod_turnpike_mails')->where('state', 'failed')->count());
        $no = Capsule::table('mod_turnpike_mails')->where('mail_id', '21')->value('error');
        self::assertStringContainsString('no product e-mail template named no such', $no);
    }

    public function testUsageOfOtherModulesServicesIsNeverWritten(): void
    {
        Capsule::table('tblhosting')->where('id', 41)->update(['packageid' => 9]);
        $this->peer()->answer('cron', $this->handedOut([]));
        run_hook('AfterCronJob');
        self::assertSame(5, (int) $this->row(41)->bwusage);
    }

    public function testATurnpikeThatIsDownCostsTheCronOneLineAnHourAndNothingElse(): void
    {
        $this->pairWithNobody();
        for ($i = 0; $i < 3; $i++) {
            self::assertSame([null], run_hook('AfterCronJob'));
        }
        self::assertCount(1, Kernel::$activity);
        self::assertStringContainsString('unreachable', Kernel::$activity[0]);
        $peer = $this->peer();
        $peer->answer('cron', $this->handedOut([]));
        run_hook('AfterCronJob');
        self::assertStringContainsString('works again', Kernel::$activity[1]);
        self::assertSame([], array_filter(Kernel::$notices));
    }

    public function testTheHookSurvivesADatabaseThatIsGone(): void
    {
        $this->peer();
        Capsule::schema()->drop('tbladdonmodules');
        self::assertSame([null], run_hook('AfterCronJob'));
        self::assertCount(1, Kernel::$activity);
    }

    public function testTheHooksFileDoesNothingButNameItsHooks(): void
    {
        $known = ['AfterCronJob', 'ClientAreaPrimarySidebar', 'ClientAreaProductDetailsOutput', 'EmailPreSend',
            'EmailTplMergeFields', 'AdminHomeWidgets', 'PreModuleCreate', 'ServiceDelete', 'InvoicePaid'];
        self::assertSame($known, array_keys(Kernel::$hooks), 'none that runs on every page of both areas');
        self::assertSame([], Limits::$set);
    }

    /**
     * @return array<int, array<string, mixed>>
     */
    private function cronCalls(Peer $peer): array
    {
        return array_values(array_filter($peer->requests(), static function (array $request): bool {
            return $request['hook'] === 'cron';
        }));
    }

    /**
     * @param array<int, array<string, mixed>> $mails
     * @return array<string, mixed>
     */
    private function handedOut(array $mails): array
    {
        return ['services' => [['service_id' => 41, 'bandwidth_used_mb' => 1500, 'bandwidth_limit_mb' => 10240]],
            'skipped' => [], 'mails' => $mails];
    }

    /**
     * @param array<string, mixed> $vars
     */
    private function page(array $vars = self::LINK, string $name = 'pairing'): string
    {
        $_GET = ['module' => 'turnpike', 'page' => $name];
        ob_start();
        turnpike_output($vars);
        return (string) ob_get_clean();
    }

    /**
     * Fills in the form as it was shown and sends it.
     *
     * @param array<string, mixed> $change
     */
    private function paste(string $code, array $change = []): string
    {
        $document = new \DOMDocument();
        $document->loadHTML($this->page(), LIBXML_NOERROR);
        $_POST = ['pairing_code' => "  $code\n"];
        foreach ($document->getElementsByTagName('input') as $input) {
            $_POST[$input->getAttribute('name')] = $input->getAttribute('value');
        }
        self::assertSame('post', $document->getElementsByTagName('form')->item(0)->getAttribute('method'));
        $_POST = $change + $_POST;
        $_SERVER['REQUEST_METHOD'] = 'POST';
        $html = $this->page();
        $_SERVER['REQUEST_METHOD'] = 'GET';
        return $html;
    }
}
