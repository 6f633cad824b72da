<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Templates;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;

/**
 * The e-mail templates that come along, the fields that mails get, and what is stored for them.
 */
final class MailTest extends BridgeTestCase
{
    private const NAMES = ['VPN Welcome', 'VPN Traffic Low', 'VPN Traffic Used Up', 'VPN Speed Reduced',
        'VPN Full Speed Again'];

    private const NETFLOW_PASSWORD = 'flow&<pass>"1';

    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        turnpike_activate();
        Capsule::table('tblproducts')->where('id', 2)->update([
            'configoption17' => 'https://example.net/manual', 'configoption18' => '', 'configoption19' => 'on',
            'configoption20' => Kernel::typed(self::PSK),
        ]);
    }

    public function testActivationCreatesTheTemplatesThatAreMissingAndNeverTouchesOneAgain(): void
    {
        $names = self::NAMES;
        self::assertSame($names, Capsule::table('tblemailtemplates')->pluck('name')->all());
        self::assertSame(['product'], Capsule::table('tblemailtemplates')->distinct()->pluck('type')->all());
        Capsule::table('tblemailtemplates')->where('name', Templates::WELCOME)->update(['message' => 'mine']);
        Capsule::table('tblemailtemplates')->where('name', Templates::SUSPENSION)->delete();
        turnpike_activate();
        turnpike_upgrade();
        self::assertSame(count(self::NAMES), Capsule::table('tblemailtemplates')->count());
        $welcome = Capsule::table('tblemailtemplates')->where('name', Templates::WELCOME);
        self::assertSame('mine', $welcome->value('message'));
    }

    public function testATranslationIsCreatedOnlyWhereMailsAreSentInThatLanguage(): void
    {
        $polish = Capsule::table('tblemailtemplates')->where('language', 'polish')->where('type', 'product');
        self::assertSame(0, $polish->count());
        Capsule::table('tblemailtemplates')->insert(['type' => 'general', 'name' => 'Signup', 'language' => 'polish']);
        turnpike_activate();
        self::assertSame(count(self::NAMES), $polish->count());
        self::assertStringContainsString('Dzień dobry', (string) $polish->value('message'));
        turnpike_activate();
        self::assertSame(count(self::NAMES), $polish->count());
    }

    /**
     * @dataProvider letters
     */
    public function testEachTemplateStaysWithinWhmcsPolicyForMailsAndRenders(int $smarty, string $language): void
    {
        $fields = ['client_name' => 'Ada', 'service_product_name' => 'VPN', 'service_username' => '7-41',
            'service_password' => 'p<w', 'signature' => 'Bye', 'notification_traffic_remainder' => '5',
            'traffic_balance_gb' => '4.2000', 'traffic_billingcycle_gb' => '100.0000', 'next_due_date' => '2026-12-01',
            'server_address' => 'vpn1.example.net', 'vpn_protocols' => 'L2TP', 'vpn_l2tp_psk' => 'k<y',
            'vpn_download' => '10 Mbit/s', 'vpn_upload' => '5 Mbit/s', 'vpn_instruction_url' => 'https://example.net/m',
            'netflow_enabled' => true, 'netflow_url' => 'https://flow.example.net/', 'netflow_username' => 'ada',
            'netflow_password' => 'f<w', 'netflow_group' => 'g', 'netflow_ip_address' => '192.0.2.1'];
        $ofPlans = ['plan_name', 'current_download_speed', 'current_upload_speed', 'full_download_speed',
            'full_upload_speed', 'speed_reason', 'blocking_quota', 'full_quota_too', 'used_today_gb',
            'used_cycle_gb', 'resets_at'];
        $fields += array_fill_keys($ofPlans, '');
        $texts = require Kernel::MODULES . "/addons/turnpike/mails/$language.php";
        self::assertSame(self::NAMES, array_keys($texts));
        foreach ($texts as $name => $text) {
            foreach ($text as $part => $template) {
                preg_match_all('/\{([^}]*)\}/', $template, $tags);
                foreach ($tags[1] as $tag) {
                    $form = '/^(\$[a-z_0-9]+(\|escape)?|(else)?if \$[a-z_0-9]+( == \'[a-z_]+\')?|else|\/if)$/';
                    self::assertMatchesRegularExpression($form, $tag, $name);
                }
                foreach ([$fields, array_fill_keys(array_keys($fields), '')] as $given) {
                    $rendered = $this->renderMail($smarty, $template, $given);
                    self::assertNotSame('', trim($rendered), "$name $part");
                    self::assertStringNotContainsString('<w', $rendered);
                }
            }
        }
        $fields = ['plan_name' => 'Gold & Co', 'current_download_speed' => '4 Mbit/s',
            'resets_at' => '2026-11-21 00:05'] + $fields;
        $told = [];
        foreach (['daily', 'monthly', 'quota_daily', 'quota_monthly', 'quota_time'] as $reason) {
            $given = ['speed_reason' => $reason] + $fields;
            $slowed = $this->renderMail($smarty, $texts[Templates::SLOWED]['message'], $given);
            $told[] = $slowed;
            self::assertStringContainsString('4 Mbit/s', $slowed);
            self::assertStringContainsString('2026-11-21 00:05', $slowed);
        }
        self::assertCount(5, array_unique($told), 'each reason has words of its own');
        foreach (['daily', 'monthly', 'time'] as $quota) {
            $given = ['blocking_quota' => $quota] + $fields;
            $spent = $this->renderMail($smarty, $texts[Templates::SUSPENSION]['message'], $given);
            self::assertStringContainsString('2026-11-21 00:05', $spent);
            self::assertStringNotContainsString('4.2000', $spent, 'no balance where a quota is what is full');
        }
        $given = ['full_quota_too' => 'daily'] + $fields;
        $spent = $this->renderMail($smarty, $texts[Templates::SUSPENSION]['message'], $given);
        self::assertStringContainsString('4.2000', $spent, 'the balance, and that it is not all');
        self::assertStringContainsString('2026-11-21 00:05', $spent);
        $welcome = $this->renderMail($smarty, $texts[Templates::WELCOME]['message'], $fields);
        foreach (['vpn1.example.net', 'k&lt;y', '7-41', 'p&lt;w', 'f&lt;w', 'https://flow.example.net/'] as $shown) {
            self::assertStringContainsString($shown, $welcome);
        }
        $without = ['netflow_enabled' => false] + $fields;
        $welcome = $this->renderMail($smarty, $texts[Templates::WELCOME]['message'], $without);
        self::assertStringNotContainsString('flow.example.net', $welcome);
    }

    /**
     * @return array<int, array{int, string}>
     */
    public function letters(): array
    {
        return [[3, 'english'], [4, 'english'], [3, 'polish'], [4, 'polish']];
    }

    public function testAMailOfOursIsFilledFromWhmcsAloneBeforeTurnpikeSaidAnything(): void
    {
        $this->pairWithNobody();
        $fields = $this->fields(Templates::WELCOME, 41);
        self::assertSame(['vpn1.example.net', 'L2TP', self::PSK, 'https://example.net/manual', '', false], [
            $fields['server_address'], $fields['vpn_protocols'], $fields['vpn_l2tp_psk'],
            $fields['vpn_instruction_url'], $fields['traffic_balance_gb'], $fields['netflow_enabled'],
        ]);
        self::assertSame([], Limits::$set, 'a mail never waits for a network');
    }

    public function testAMailOfOursIsFilledWithWhatTurnpikeSaidLast(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', ['state' => 'active', 'information' => ['server_address' => 'vpn9.example.net',
            'protocols' => ['PPtP', 'L2TP'], 'l2tp_psk' => 'another', 'download_kbps' => 12500, 'upload_kbps' => 0],
            'traffic' => ['metered' => true, 'balance_bytes' => 4509715661, 'next_cycle_bytes' => 10737418240]]);
        turnpike_ClientArea(Kernel::params(41));
        $peer->answer('renew', ['account' => ['balance_bytes' => 1073741824, 'enabled' => true]]);
        Kernel::command('Renew', 41);
        $fields = $this->fields(Templates::WELCOME, 41);
        $expected = ['vpn9.example.net', 'PPtP, L2TP', 'another', '12.5 Mbit/s', 'unlimited', '1.0000', '10.0000'];
        self::assertSame($expected, [
            $fields['server_address'], $fields['vpn_protocols'], $fields['vpn_l2tp_psk'], $fields['vpn_download'],
            $fields['vpn_upload'], $fields['traffic_balance_gb'], $fields['traffic_billingcycle_gb'],
        ]);
        $row = Capsule::table(Facts::TABLE)->where('service_id', 41)->first();
        self::assertStringNotContainsString('another', $row->json . $row->sealed, 'keys are sealed');
    }

    public function testAnAccountTellsThePacketAndTheSizeOfAGigabyte(): void
    {
        $told = ['balance_bytes' => 5000000000, 'next_cycle_bytes' => 10000000000, 'bytes_per_gb' => 1000000000];
        $this->peer()->answer('renew', ['account' => $told]);
        Kernel::command('Renew', 41);
        $fields = $this->fields(Templates::WELCOME, 41);
        self::assertSame(['5.0000', '10.0000'], [$fields['traffic_balance_gb'], $fields['traffic_billingcycle_gb']]);
    }

    public function testWhatAMailBringsAlongStays(): void
    {
        Facts::learn([41 => ['balance_bytes' => 1]]);
        $hook = ['messagename' => Templates::THRESHOLD, 'relid' => 41,
            'mergefields' => ['traffic_balance_gb' => '0.5000', 'server_address' => '']];
        $fields = run_hook('EmailPreSend', $hook)[0];
        self::assertArrayNotHasKey('traffic_balance_gb', $fields);
        self::assertSame('vpn1.example.net', $fields['server_address']);
    }

    public function testMailsOfOtherKindsAndServicesGetNothingOfOurs(): void
    {
        Capsule::table('tblemailtemplates')->insert(['type' => 'invoice', 'name' => 'Invoice Created']);
        $this->service(45, 'Active');
        Capsule::table('tblhosting')->where('id', 45)->update(['packageid' => 9]);
        self::assertSame([], $this->fields('Invoice Created', 41), 'here the number is an invoice\'s');
        self::assertSame([], $this->fields('no such', 41));
        self::assertSame(['netflow_enabled' => false], $this->fields(Templates::WELCOME, 45));
        self::assertSame([[]], run_hook('EmailPreSend', []));
        self::assertSame([[]], run_hook('EmailPreSend', ['messagename' => ['x'], 'relid' => ['y']]));
    }

    public function testTheEditorListsEveryFieldThatMailsGet(): void
    {
        self::assertSame([[]], run_hook('EmailTplMergeFields', ['type' => 'invoice']));
        $listed = run_hook('EmailTplMergeFields', ['type' => 'product'])[0];
        foreach (array_keys($this->fields(Templates::WELCOME, 41)) as $name) {
            self::assertArrayHasKey($name, $listed);
        }
        foreach ($listed as $name => $label) {
            self::assertNotSame("merge_$name", $label);
        }
    }

    public function testTheCronReadsNetflowAccessForServicesOfAnyModuleAndMailsAndPagesUseIt(): void
    {
        $this->server(45);
        $peer = $this->peer();
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $this->netflow($peer, 45);
        run_hook('AfterCronJob');
        Limits::$set = [];
        self::assertSame($this->mergeFields(), $this->fields(Templates::WELCOME, 45));
        $html = $this->box(45);
        self::assertStringContainsString('href="https://flow.example.net/"', $html);
        self::assertStringContainsString('&lt;b&gt;ada', $html);
        self::assertStringNotContainsString('flow&amp;', $html, 'the password is not among what may be shown');
        self::assertSame('', $this->box(41), 'ours have it on their own page');
        self::assertSame('', $this->box(null));
        self::assertSame([], Limits::$set);
        $row = Capsule::table(Facts::TABLE)->where('service_id', 45)->first();
        self::assertStringNotContainsString(self::NETFLOW_PASSWORD, $row->json . $row->sealed);
        self::assertStringNotContainsString(self::NETFLOW_PASSWORD, $this->logs());
        foreach (['Suspended', 'Terminated'] as $status) {
            Capsule::table('tblhosting')->where('id', 45)->update(['domainstatus' => $status]);
            self::assertSame('', $this->box(45));
        }
        self::assertSame(['netflow_enabled' => false], $this->fields(Templates::WELCOME, 45), 'terminated');
    }

    public function testARecordThatIsGoneOrDisabledIsForgotten(): void
    {
        foreach (['gone', 'disabled'] as $how) {
            $this->server($how === 'gone' ? 45 : 46);
            $id = $how === 'gone' ? 45 : 46;
            $peer = $this->peer();
            $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
            $this->netflow($peer, $id);
            run_hook('AfterCronJob');
            self::assertNotSame('', $this->box($id));
            $left = $how === 'gone' ? [] : [['service_id' => $id, 'enabled' => false]];
            $peer->answer('netflow', ['records' => $left]);
            run_hook('AfterCronJob');
            self::assertSame('', $this->box($id));
            self::assertSame(['netflow_enabled' => false], $this->fields(Templates::WELCOME, $id));
        }
    }

    public function testWhatIsKnownStaysWhenTurnpikeCannotSay(): void
    {
        $this->server(45);
        $peer = $this->peer();
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $this->netflow($peer, 45);
        run_hook('AfterCronJob');
        $peer->refuse('netflow', 503, 'database-unavailable', 'Away.');
        run_hook('AfterCronJob');
        self::assertTrue($this->fields(Templates::WELCOME, 45)['netflow_enabled']);
        $this->pairWithNobody();
        run_hook('AfterCronJob');
        run_hook('PreModuleCreate', ['params' => ['serviceid' => 45]]);
        self::assertTrue($this->fields(Templates::WELCOME, 45)['netflow_enabled']);
    }

    public function testNetflowAccessThatCannotBeReadIsOneLineAnHourAndOneWhenItCan(): void
    {
        $this->server(45);
        $peer = $this->peer();
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $this->netflow($peer, 45);
        $peer->refuse('netflow/45/client', 503, 'database-unavailable', 'The <b>database</b> is away; start it.');
        for ($i = 0; $i < 3; $i++) {
            run_hook('AfterCronJob');
        }
        self::assertSame(['Turnpike: NetFlow access could not be read, so what was known of it stays: The'
            . " \u{2039}b\u{203a}database\u{2039}/b\u{203a} is away; start it."
            . ' [database-unavailable ref-4711]'], Kernel::$activity);
        self::assertStringNotContainsString(self::NETFLOW_PASSWORD, $this->logs());
        $this->assertNoSecretsIn($this->logs());
        $peer->refuse('netflow', 500, 'internal', 'A defect.');
        run_hook('AfterCronJob');
        self::assertCount(2, Kernel::$activity, 'other trouble is news');
        $trouble = Capsule::table('tbladdonmodules')->where('module', 'turnpike')->where('setting', 'netflow_trouble');
        $trouble->update(['value' => 'internal|' . (time() - 3601)]);
        run_hook('AfterCronJob');
        self::assertCount(3, Kernel::$activity, 'and what lasts is said again after an hour');
        $this->netflow($peer, 45);
        for ($i = 0; $i < 2; $i++) {
            run_hook('AfterCronJob');
        }
        self::assertSame(['Turnpike: NetFlow access is read again'], array_slice(Kernel::$activity, 3));
        self::assertTrue($this->fields(Templates::WELCOME, 45)['netflow_enabled']);
    }

    public function testADefectWhileNetflowAccessIsReadIsOneLineAnHourToo(): void
    {
        $peer = $this->peer();
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $peer->answer('netflow', ['records' => []]);
        Capsule::connection()->beforeExecuting(static function (): void {
            $within = array_column(debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS), 'function');
            if (in_array('refreshAll', $within, true)) {
                throw new \RuntimeException('the disk is full');
            }
        });
        for ($i = 0; $i < 3; $i++) {
            run_hook('AfterCronJob');
        }
        self::assertCount(1, Kernel::$activity, 'the cron run itself works all the while');
        self::assertStringContainsString('[bridge-failed whmcs-', Kernel::$activity[0]);
        self::assertStringNotContainsString('the disk is full', Kernel::$activity[0]);
        self::assertStringContainsString('the disk is full', $this->logs(), 'the module log names the cause');
    }

    public function testAListOfNetflowRecordsMayBeLong(): void
    {
        $records = array_map(static function (int $id): array {
            return ['service_id' => $id, 'enabled' => false, 'notes' => str_repeat('x', 400)];
        }, range(1, 25000));
        $peer = $this->peer();
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $peer->answer('netflow', ['records' => $records]);
        run_hook('AfterCronJob');
        self::assertSame([], Kernel::$activity);
    }

    public function testAWelcomeMailHasTheAccessThatWasEnteredAMomentAgo(): void
    {
        $this->server(45);
        $peer = $this->peer();
        $this->netflow($peer, 45);
        self::assertSame([null], run_hook('PreModuleCreate', ['params' => ['serviceid' => 45, 'addonId' => 0]]));
        self::assertSame('ada<b>', $this->fields(Templates::WELCOME, 45)['netflow_username']);
        $peer->refuse('netflow/45/merge-fields', 404, 'no-such-record', 'None.');
        run_hook('PreModuleCreate', ['params' => ['serviceid' => 45]]);
        self::assertFalse($this->fields(Templates::WELCOME, 45)['netflow_enabled']);
        self::assertSame([null], run_hook('PreModuleCreate', []));
        self::assertSame(2000, max(array_column(Limits::$set, 1)), 'a module command is held up no longer than that');
    }

    public function testTheWelcomeMailOfAProductFollowsItsCreateWithWhatWasMade(): void
    {
        $id = Capsule::table('tblemailtemplates')->where('name', Templates::WELCOME)->value('id');
        Capsule::table('tblproducts')->where('id', 2)->update(['welcomeemail' => $id]);
        $this->service(42, 'Pending');
        $this->peer()->answer('create', ['service' => ['username' => '7-42', 'password' => 'GeHeim23',
            'dedicated_address' => '10.8.0.2'], 'account' => ['balance_bytes' => Figures::GIGABYTE]]);
        self::assertSame('success', Kernel::command('CreateAccount', 42));
        self::assertSame([[Templates::WELCOME, 42]], array_map(static function (array $mail): array {
            return [$mail['template'], $mail['service_id']];
        }, Kernel::$mails));
        $fields = Kernel::$mails[0]['variables'];
        self::assertSame(['1.0000', self::PSK], [$fields['traffic_balance_gb'], $fields['vpn_l2tp_psk']]);
    }

    public function testTheBuiltInLettersMeanTheTemplatesThatCameAlong(): void
    {
        $peer = $this->peer();
        $letter = static function (int $id, string $template): array {
            return ['id' => $id, 'template' => $template, 'service_id' => 41, 'variables' => ['username' => 'kunde']];
        };
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => [$letter(1, 'threshold'),
            $letter(2, 'suspension')]]);
        run_hook('AfterCronJob');
        self::assertSame([Templates::THRESHOLD, Templates::SUSPENSION], array_column(Kernel::$mails, 'template'));
        Capsule::table('tblemailtemplates')->insert(['type' => 'product', 'name' => 'threshold']);
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => [$letter(3, 'threshold')]]);
        run_hook('AfterCronJob');
        self::assertSame('threshold', Kernel::$mails[2]['template'], 'unless the owner has one of that name');
    }

    public function testAServiceThatEndedOrWasDeletedIsForgotten(): void
    {
        $this->peer()->answer('terminate', ['account' => ['balance_bytes' => 5]]);
        Facts::learn([41 => ['balance_bytes' => 1, 'l2tp_psk' => 'k'], 42 => ['balance_bytes' => 1]]);
        self::assertSame('success', Kernel::command('TerminateAccount', 41));
        self::assertSame([], Facts::of(41));
        self::assertSame([null], run_hook('ServiceDelete', ['userid' => 7, 'serviceid' => 42]));
        self::assertSame(0, Capsule::table(Facts::TABLE)->count());
    }

    public function testFactsThatAreTheSameAreNotWrittenAgainAndOnesThatEndedGo(): void
    {
        Facts::learn([41 => ['balance_bytes' => 1, 'enabled' => true, 'l2tp_psk' => 'k']]);
        $writes = 0;
        Capsule::connection()->beforeExecuting(static function (string $query) use (&$writes): void {
            $writes += preg_match('/^(insert|update|delete)/i', $query);
        });
        Facts::learn([41 => ['enabled' => true, 'balance_bytes' => 1]]);
        self::assertSame(0, $writes);
        Facts::learn([41 => ['balance_bytes' => null]]);
        self::assertSame(1, $writes);
        $facts = Facts::of(41);
        unset($facts['updated_at']);
        self::assertEquals(['enabled' => true, 'l2tp_psk' => 'k'], $facts);
    }

    public function testWithoutTheirTableFactsAreMissedAndNothingElse(): void
    {
        Capsule::schema()->drop(Facts::TABLE);
        $peer = $this->peer();
        $peer->answer('renew', ['account' => ['balance_bytes' => 5]]);
        $peer->answer('client-area', ['state' => 'active']);
        self::assertSame('success', Kernel::command('Renew', 41));
        self::assertSame('', turnpike_ClientArea(Kernel::params(41))['templateVariables']['turnpike']['unavailable']);
        self::assertSame('vpn1.example.net', $this->fields(Templates::WELCOME, 41)['server_address']);
        self::assertStringNotContainsString('QueryException', $this->logs());
    }

    private function server(int $id): void
    {
        $this->service($id, 'Active', 'vps');
        Capsule::table('tblhosting')->where('id', $id)->update(['packageid' => 9]);
    }

    private function netflow(Peer $peer, int $id): void
    {
        $peer->answer('netflow', ['records' => [['service_id' => $id, 'enabled' => true], ['service_id' => 'x']]]);
        $peer->answer("netflow/$id/merge-fields", $this->mergeFields());
        $peer->answer("netflow/$id/client", ['visible' => true, 'url' => 'https://flow.example.net/',
            'username' => '<b>ada', 'group' => 'g', 'ip_address' => null, 'password' => null]);
    }

    /**
     * @return array<string, bool|string>
     */
    private function mergeFields(): array
    {
        return ['netflow_enabled' => true, 'netflow_url' => 'https://flow.example.net/',
            'netflow_username' => 'ada<b>', 'netflow_password' => self::NETFLOW_PASSWORD, 'netflow_group' => 'g',
            'netflow_ip_address' => '192.0.2.0/29'];
    }

    private function box(?int $id): string
    {
        return (string) run_hook('ClientAreaProductDetailsOutput', ['service' => (object) ['id' => $id]])[0];
    }

    /**
     * @return array<string, bool|string>
     */
    private function fields(string $template, int $id): array
    {
        return run_hook('EmailPreSend', ['messagename' => $template, 'relid' => $id, 'mergefields' => []])[0];
    }

    /**
     * @param array<string, mixed> $fields
     */
    private function renderMail(int $smarty, string $template, array $fields): string
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'turnpike-mail-');
        file_put_contents($file, $template);
        try {
            return $this->render($smarty, ['tabOverviewModuleOutputTemplate' => $file, 'templateVariables' => $fields]);
        } finally {
            unlink($file);
        }
    }
}
