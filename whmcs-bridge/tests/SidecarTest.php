<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\ClientActions;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Signature;

/**
 * The bridge and the real service with a simulated router: a customer's life through WHMCS's own functions.
 *
 * @group sidecar
 */
final class SidecarTest extends BridgeTestCase
{
    private const MIB = 1048576;

    private const SETTINGS = ['profile' => 'default', 'download_mbps' => '10', 'upload_mbps' => '10',
        'traffic_gb_monthly' => '1', 'threshold_gb' => '0.5', 'threshold_template' => 'VPN traffic low',
        'suspension_template' => 'VPN traffic used up', 'support_l2tp' => 'on', 'l2tp_psk' => self::PSK,
        'instruction_url' => 'https://example.net/manual'];

    /** @var Turnpike */
    private $turnpike;

    /** @var Simulator */
    private $router;

    protected function setUp(): void
    {
        $binary = (string) getenv('TURNPIKE_BINARY');
        if ($binary === '') {
            self::fail('TURNPIKE_BINARY is not set: run ./test, which builds turnpike and names it here');
        }
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        turnpike_activate();
        $this->turnpike = new Turnpike($binary);
        $this->turnpike->start();
        $this->router = new Simulator($binary);
        Capsule::table('tblservers')->where('id', 3)->update([
            'secure' => '',
            'port' => $this->router->port(),
            'username' => $this->router->about['username'] ?? 'admin',
            'password' => encrypt($this->router->about['password'] ?? ''),
            'accesshash' => '',
        ]);
        Capsule::table('tblemailtemplates')->insert([
            ['type' => 'product', 'name' => 'VPN traffic low'], ['type' => 'product', 'name' => 'VPN traffic used up'],
        ]);
        Pairing::fromCode($this->turnpike->code())->store();
        $this->service(42, 'Pending');
    }

    protected function tearDown(): void
    {
        if ($this->turnpike === null) {
            return;
        }
        if ($this->router !== null) {
            $this->router->stop();
        }
        $log = $this->turnpike->log();
        $this->turnpike->remove();
        $this->assertNoSecretsIn($this->logs() . $log);
        parent::tearDown();
    }

    public function testTheCodeThatTurnpikePrintsConnectsWhmcs(): void
    {
        $_GET = ['page' => 'pairing'];
        ob_start();
        turnpike_output(['modulelink' => 'addonmodules.php?module=turnpike']);
        $html = (string) ob_get_clean();
        self::assertStringContainsString('WHMCS and Turnpike are connected.', $html);
        self::assertStringContainsString('<td>agree</td>', $html);
        $version = \WHMCS\Module\Server\Turnpike\Module::VERSION;
        self::assertStringContainsString("Version of Turnpike</th><td>$version</td>", $html);
        self::assertSame(0, $this->turnpike->stop(), 'SIGTERM ends it well');
    }

    public function testAWrongSecretOrKeyIsDiagnosedAsWhatItIs(): void
    {
        $right = Pairing::stored();
        $wrong = ['signature-wrong' => [random_bytes(32), $right->keyId()], 'key-unknown' => [$right->key(), 'other']];
        foreach ($wrong as $kind => [$key, $id]) {
            $secret = rtrim(strtr(base64_encode($key), '+/', '-_'), '=');
            Pairing::fromCode(Peer::codeOf($right->url(), $secret, $id))->store();
            self::assertMatchesRegularExpression("/turnpike pair.* \\[$kind whmcs-/", Kernel::command('Renew', 41));
        }
    }

    public function testTheServerFormTellsAGoodLoginFromABadOne(): void
    {
        self::assertSame(['success' => true, 'error' => ''], turnpike_TestConnection(Kernel::serverParams(3)));
        $bad = turnpike_TestConnection(['serverpassword' => 'not it'] + Kernel::serverParams(3));
        self::assertFalse($bad['success']);
        self::assertMatchesRegularExpression('/core-1.* \[router-refused \S+\]$/', $bad['error']);
        self::assertArrayHasKey('default', turnpike_LoadProfiles(Kernel::serverParams(3)));
        self::assertArrayHasKey('', turnpike_LoadPlans(Kernel::serverParams(3)));
        self::assertArrayHasKey('', turnpike_LoadPlans([]), 'plans need no server');
        $unsaved = ['serverid' => ''] + Kernel::serverParams(3);
        self::assertSame(['success' => true, 'error' => ''], turnpike_TestConnection($unsaved));
    }

    public function testACustomersLife(): void
    {
        // ordered
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $row = $this->row(42);
        $password = decrypt($row->password);
        self::assertSame(['7-42', '10.8.0.2'], [$row->username, $row->dedicatedip]);
        $secret = $this->router->rows('/ppp/secret', '7-42')[0];
        self::assertSame($password, $secret['password']);
        self::assertSame('10.8.0.2', $secret['remote-address']);
        self::assertSame('WHMCS|Product ID:42|ada@example.net', $secret['comment']);
        self::assertCount(1, $this->router->rows('/queue/simple', '7-42'));

        // pressed twice
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        self::assertCount(1, $this->router->rows('/ppp/secret', '7-42'));
        self::assertSame($password, decrypt($this->row(42)->password));

        // used: the low-balance mail, once
        $this->connect($password);
        $this->router->do('carry', ['user' => '7-42', 'down' => 600 * self::MIB, 'up' => 100 * self::MIB]);
        self::assertSame('success', turnpike_UsageUpdate(Kernel::serverParams(3)));
        self::assertSame([700, 1024], [(int) $this->row(42)->bwusage, (int) $this->row(42)->bwlimit]);
        run_hook('AfterCronJob');
        run_hook('AfterCronJob');
        self::assertSame(['VPN traffic low'], array_column(Kernel::$mails, 'template'));
        self::assertSame('7-42', Kernel::$mails[0]['variables']['username']);
        $html = $this->page();
        self::assertStringContainsString('Online', $html);
        self::assertStringContainsString('0.32 GB', $html);
        self::assertStringContainsString($password, html_entity_decode($html));

        // used up: blocked, and the second mail
        $this->router->do('carry', ['user' => '7-42', 'down' => 400 * self::MIB, 'up' => 0]);
        self::assertSame('success', turnpike_UsageUpdate(Kernel::serverParams(3)));
        self::assertTrue($this->isDisabled(), 'on the router');
        self::assertSame('Active', $this->row(42)->domainstatus, 'not in WHMCS');
        self::assertStringContainsString('traffic balance is used up', $this->page());
        run_hook('AfterCronJob');
        run_hook('AfterCronJob');
        self::assertSame(['VPN traffic low', 'VPN traffic used up'], array_column(Kernel::$mails, 'template'));

        // renewed: free at once, and twice is once
        Capsule::table('tblhosting')->where('id', 42)->update(['nextduedate' => '2027-01-01']);
        self::assertSame('success', Kernel::command('Renew', 42, self::SETTINGS));
        self::assertSame('success', Kernel::command('Renew', 42, self::SETTINGS));
        self::assertFalse($this->isDisabled());
        self::assertStringContainsString('0.93 GB', $this->page());

        // overdue and paid
        $overdue = ['suspendreason' => 'Overdue on Payment'];
        self::assertSame('success', Kernel::command('SuspendAccount', 42, self::SETTINGS, $overdue));
        self::assertTrue($this->isDisabled());
        self::assertStringContainsString('not active', $this->page());
        self::assertSame('success', Kernel::command('UnsuspendAccount', 42, self::SETTINGS));
        self::assertFalse($this->isDisabled());

        // changed
        $faster = ['download_mbps' => '20', 'upload_mbps' => '5'] + self::SETTINGS;
        self::assertSame('success', Kernel::command('ChangePackage', 42, $faster));
        $limit = $this->router->rows('/queue/simple', '7-42')[0]['max-limit'];
        self::assertSame(['5000000', '20000000'], explode('/', str_replace(['k', 'M'], ['000', '000000'], $limit)));
        Capsule::table('tblhosting')->where('id', 42)->update(['password' => encrypt('neu&<geheim>"1')]);
        self::assertSame('success', Kernel::command('ChangePassword', 42, $faster));
        self::assertSame('neu&<geheim>"1', $this->router->rows('/ppp/secret', '7-42')[0]['password']);
        $this->connect('neu&<geheim>"1');
        self::assertSame('success', Kernel::command('ResetConnection', 42, $faster));
        self::assertSame([], $this->router->rows('/ppp/active', '7-42'));
        $_GET['customAction'] = 'statistics';
        $statistics = $this->page();
        self::assertSame(2, substr_count($statistics, '<svg class="turnpike-chart"'), 'both charts pass the check');
        $tip = '~<g><title>\d{4}-\d\d-\d\d: download .* GB, upload .* GB</title>~';
        self::assertMatchesRegularExpression($tip, $statistics);

        // gone, and twice is once
        self::assertSame('success', Kernel::command('TerminateAccount', 42, $faster));
        self::assertSame('success', Kernel::command('TerminateAccount', 42, $faster));
        self::assertSame([], $this->router->rows('/ppp/secret', '7-42'));
        self::assertSame([], $this->router->rows('/queue/simple', '7-42'));
        self::assertSame([], Kernel::$queue, 'no command failed');
    }

    public function testTwoRenewalsThatWerePaidWhileNobodyAnsweredAreGrantedBothAndTheLaterDateCounts(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $this->pairWithNobody();
        foreach (['2027-01-01', '2027-02-01'] as $due) {
            Capsule::table('tblhosting')->where('id', 42)->update(['nextduedate' => $due]);
            self::assertStringContainsString('written down', Kernel::command('Renew', 42, self::SETTINGS));
        }
        Pairing::fromCode($this->turnpike->code())->store();
        self::assertStringContainsString('1 GB on 2026-12-01', $this->page());
        run_hook('AfterCronJob');
        self::assertStringContainsString('>3 GB<', $this->page());
        self::assertStringContainsString('1 GB on 2027-02-01', $this->page());
        self::assertSame('success', Kernel::command('Renew', 42, self::SETTINGS), 'retried in the Module Queue');
        self::assertStringContainsString('>3 GB<', $this->page());
    }

    public function testAPackageThatWasChangedMeanwhileIsNotPutBackByARenewalThatIsDeliveredLate(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $this->pairWithNobody();
        Capsule::table('tblhosting')->where('id', 42)->update(['nextduedate' => '2027-01-01']);
        self::assertStringContainsString('written down', Kernel::command('Renew', 42, self::SETTINGS));
        Pairing::fromCode($this->turnpike->code())->store();
        $large = ['traffic_gb_monthly' => '100'] + self::SETTINGS;
        self::assertSame('success', Kernel::command('ChangePackage', 42, $large));
        run_hook('AfterCronJob');
        self::assertStringContainsString('>2 GB<', $this->page(), 'what was paid, as it was sold then');
        self::assertStringContainsString('100 GB on 2027-01-01', $this->page());
    }

    public function testStaffSeeAndSteerAnAccount(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $this->connect(decrypt($this->row(42)->password));
        $this->router->do('carry', ['user' => '7-42', 'down' => 600 * self::MIB, 'up' => 100 * self::MIB]);
        self::assertSame('success', turnpike_CollectNow(Kernel::params(42, self::SETTINGS)));
        $fields = turnpike_AdminServicesTabFields(Kernel::params(42, self::SETTINGS));
        self::assertSame('7-42', $fields['Account']);
        self::assertStringContainsString('GB', $fields['Balance']);

        // traffic added, once
        preg_match('/name="turnpike_add_key" value="([^"]+)"/', $fields['Add traffic'], $key);
        $_SERVER['REQUEST_METHOD'] = 'POST';
        $_POST = ['turnpike_add_gb' => '2,5', 'turnpike_add_note' => 'for <you>', 'turnpike_add_key' => $key[1]];
        turnpike_AdminServicesTabFieldsSave(Kernel::params(42, self::SETTINGS));
        turnpike_AdminServicesTabFieldsSave(Kernel::params(42, self::SETTINGS));
        $_SERVER['REQUEST_METHOD'] = 'GET';
        self::assertStringContainsString('2.82 GB', $this->page(), '1 - 0.68 + 2.5');
        $fields = turnpike_AdminServicesTabFields(Kernel::params(42, self::SETTINGS));
        self::assertStringContainsString('2,5 GB were added.', $fields['Turnpike']);

        // blocked, freed, re-applied after somebody meddled
        self::assertSame('success', turnpike_Block(Kernel::params(42, self::SETTINGS)));
        self::assertTrue($this->isDisabled());
        self::assertStringContainsString('blocked by our staff', $this->page());
        $fields = turnpike_AdminServicesTabFields(Kernel::params(42, self::SETTINGS));
        self::assertStringContainsString('by staff in WHMCS', implode($fields));
        self::assertSame('success', turnpike_Unblock(Kernel::params(42, self::SETTINGS)));
        self::assertFalse($this->isDisabled());
        self::assertSame('success', turnpike_Reapply(Kernel::params(42, self::SETTINGS)));
        self::assertSame('success', turnpike_ResetConnection(Kernel::params(42, self::SETTINGS)));

        // billed by use, and found by Server Sync
        $total = turnpike_MetricProvider(Kernel::serverParams(3))->usage()['7-42']['traffic_total'];
        self::assertEqualsWithDelta(700 / 1024, $total->usage->value(), 0.0001);
        $listed = turnpike_ListAccounts(Kernel::serverParams(3));
        self::assertSame(['7-42'], array_column($listed['accounts'], 'uniqueIdentifier'));
        self::assertSame(['ada@example.net'], array_column($listed['accounts'], 'email'));
        self::assertSame(['10.8.0.2'], array_column($listed['accounts'], 'primaryip'));
        $widget = run_hook('AdminHomeWidgets')[0];
        self::assertStringContainsString('0.68 GB', $widget->generateOutput($widget->getData()));
    }

    public function testTheCustomerMakesANewPasswordAndDisconnects(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $old = decrypt($this->row(42)->password);
        $told = ['new_password' => 'The VPN has a new password.', 'disconnect' => 'The connection was ended.'];
        foreach ($told as $do => $says) {
            $this->connect(decrypt($this->row(42)->password));
            preg_match('/name="turnpike_once" value="([^"]+)"/', $this->page(), $key);
            preg_match('/name="token" value="([^"]+)"/', $this->page(), $token);
            $_SERVER['REQUEST_METHOD'] = 'POST';
            $_POST = ['turnpike_action' => $do, 'turnpike_once' => $key[1], 'token' => $token[1]];
            self::assertStringContainsString($says, $this->page());
            $_SERVER['REQUEST_METHOD'] = 'GET';
            self::assertSame([], $this->router->rows('/ppp/active', '7-42'), $do);
        }
        $new = decrypt($this->row(42)->password);
        self::assertNotSame($old, $new);
        self::assertSame($new, $this->router->rows('/ppp/secret', '7-42')[0]['password']);
        self::assertStringContainsString($new, $this->page());
    }

    public function testTheWelcomeMailHasWhatTheCustomerNeeds(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $this->page();
        localAPI('SendEmail', ['messagename' => 'VPN Welcome', 'id' => 42]);
        $fields = Kernel::$mails[0]['variables'];
        self::assertSame(['vpn1.example.net', 'L2TP', self::PSK, '10 Mbit/s', '1.0000', '1.0000'], [
            $fields['server_address'], $fields['vpn_protocols'], $fields['vpn_l2tp_psk'], $fields['vpn_download'],
            $fields['traffic_balance_gb'], $fields['traffic_billingcycle_gb'],
        ]);
    }

    public function testTheWelcomeMailNamesThePacketRightAfterTheCreate(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        localAPI('SendEmail', ['messagename' => 'VPN Welcome', 'id' => 42]);
        $fields = Kernel::$mails[0]['variables'];
        self::assertSame(['1.0000', '1.0000'], [$fields['traffic_balance_gb'], $fields['traffic_billingcycle_gb']]);
        self::assertSame(1073741824, Facts::of(42)['bytes_per_gb']);
    }

    public function testNetflowAccessReachesPagesAndMailsOfServicesOfAnyModule(): void
    {
        $this->service(45, 'Active', 'vps');
        Capsule::table('tblhosting')->where('id', 45)->update(['packageid' => 9]);
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $access = ['enabled' => true, 'client_id' => 7, 'url' => 'https://flow.example.net/', 'username' => 'ada',
            'password' => 'flow-pass', 'group' => 'Customers', 'ip_address' => '192.0.2.0/29', 'notes' => 'for staff'];
        foreach ([42, 45] as $id) {
            $this->put("/v1/netflow/$id", $access);
        }
        self::assertStringContainsString('href="https://flow.example.net/"', $this->page());
        run_hook('AfterCronJob');
        foreach ([42, 45] as $id) {
            localAPI('SendEmail', ['messagename' => 'VPN Welcome', 'id' => $id]);
        }
        foreach (Kernel::$mails as $mail) {
            $fields = $mail['variables'];
            self::assertSame([true, 'https://flow.example.net/', 'ada', 'flow-pass', 'Customers', '192.0.2.0/29'], [
                $fields['netflow_enabled'], $fields['netflow_url'], $fields['netflow_username'],
                $fields['netflow_password'], $fields['netflow_group'], $fields['netflow_ip_address'],
            ]);
        }
        $box = run_hook('ClientAreaProductDetailsOutput', ['service' => (object) ['id' => 45]])[0];
        self::assertStringContainsString('href="https://flow.example.net/"', $box);
        self::assertStringNotContainsString('flow-pass', $box);
        self::assertStringNotContainsString('for staff', $box . print_r(Kernel::$mails, true));
        $this->put('/v1/netflow/45', ['enabled' => false] + $access);
        run_hook('AfterCronJob');
        self::assertSame('', run_hook('ClientAreaProductDetailsOutput', ['service' => (object) ['id' => 45]])[0]);
        self::assertStringNotContainsString('flow-pass', $this->logs());
    }

    public function testAPlanSlowsTheCustomerWhoBuysAReset(): void
    {
        $this->put('/v1/plans', ['name' => 'Gold', 'price' => '9', 'reset_price' => '2.50', 'download_speed' => '10M',
            'upload_speed' => '2M', 'fup1_threshold' => '100 MB', 'fup1_download_speed' => '4M',
            'fup1_upload_speed' => '1M'], 'POST', 201);
        Capsule::table('tblproducts')->where('id', 2)->update(['configoption1' => 'Gold']);
        Capsule::table('tblcurrencies')->insert(['default' => 1, 'code' => 'EUR', 'suffix' => ' EUR', 'rate' => '1']);
        $asked = Kernel::serverParams(3);
        self::assertSame('Gold', turnpike_LoadPlans(['serverip' => '203.0.113.9'] + $asked)['Gold'] ?? null);
        $sold = ['plan' => 'Gold', 'download_mbps' => '', 'upload_mbps' => '', 'traffic_gb_monthly' => ''];
        $look = function () use ($sold): string {
            return $this->render(4, turnpike_ClientArea(Kernel::params(42, $sold + self::SETTINGS)));
        };
        self::assertSame('success', Kernel::command('CreateAccount', 42, $sold + self::SETTINGS));
        $this->connect(decrypt($this->row(42)->password));
        self::assertStringContainsString('You have the full speed of your plan.', $look());
        $this->router->do('carry', ['user' => '7-42', 'down' => 200 * self::MIB, 'up' => 0]);
        self::assertSame('success', turnpike_UsageUpdate($asked));
        $html = $look();
        self::assertStringContainsString('4 Mbit/s of 10 Mbit/s', $html);
        self::assertStringContainsString('Reset today&#039;s usage for 2.50 EUR', $html);
        $_POST = ['turnpike_action' => 'reset_day', 'turnpike_once' => ClientActions::key(42),
            'token' => generate_token('plain')];
        $_SERVER['REQUEST_METHOD'] = 'POST';
        self::assertStringContainsString('The reset is ordered.', $look());
        $_SERVER['REQUEST_METHOD'] = 'GET';
        Kernel::pay((int) Capsule::table('tblinvoices')->max('id'));
        self::assertSame('done', Capsule::table('mod_turnpike_resets')->value('state'));
        self::assertStringContainsString('You have the full speed of your plan.', $look());
        self::assertSame('2000000/10000000', $this->router->rows('/queue/simple', '7-42')[0]['max-limit']);
    }

    public function testARouterThatIsAwayIsSaidAndARetryMakesUpForIt(): void
    {
        $this->router->do('stop');
        $sentence = Kernel::command('CreateAccount', 42, self::SETTINGS);
        self::assertMatchesRegularExpression('/core-1.* \[router-unreachable \S+\]$/', $sentence);
        self::assertSame('', $this->row(42)->username);
        $figures = [$this->row(41)->bwusage, $this->row(41)->lastupdate];
        self::assertMatchesRegularExpression('/\[router-unreachable /', turnpike_UsageUpdate(Kernel::serverParams(3)));
        self::assertSame($figures, [$this->row(41)->bwusage, $this->row(41)->lastupdate]);
        $this->router->do('listen');
        $result = '';
        for ($i = 0; $i < 60 && $result !== 'success'; $i++) {
            $result = Kernel::command('CreateAccount', 42, self::SETTINGS);
            usleep($result === 'success' ? 0 : 500000);
        }
        self::assertSame('success', $result, 'once the router is back');
        $this->router->do('stop');
        self::assertStringContainsString('7-42', $this->page(), 'the page does not need the router');
        self::assertSame('success', Kernel::command('SuspendAccount', 42, self::SETTINGS), 'a fact of the books');
    }

    public function testASecretOfSomebodyElseIsNotTouchedAndTheSentenceNamesIt(): void
    {
        Capsule::table('tblhosting')->where('id', 42)->update(['username' => '7-43']);
        $this->service(43, 'Pending');
        self::assertSame('success', Kernel::command('CreateAccount', 43, self::SETTINGS));
        $before = $this->router->rows('/ppp/secret', '7-43');
        $sentence = Kernel::command('CreateAccount', 42, self::SETTINGS);
        self::assertMatchesRegularExpression('/7-43.* \[name-taken \S+\]$/', $sentence);
        self::assertEquals($before, $this->router->rows('/ppp/secret', '7-43'));
    }

    public function testASettingThatCannotBeIsNamed(): void
    {
        $sentence = Kernel::command('CreateAccount', 42, ['download_mbps' => 'fast'] + self::SETTINGS);
        self::assertMatchesRegularExpression('/settings\.download_mbps .*\[setting-invalid \S+\]$/', $sentence);
    }

    public function testWithTheServiceStoppedThePageStillShowsWhatWhmcsKnows(): void
    {
        self::assertSame('success', Kernel::command('CreateAccount', 42, self::SETTINGS));
        $this->turnpike->stop();
        $html = $this->page();
        self::assertStringContainsString('not available at the moment', $html);
        self::assertStringContainsString('7-42', $html);
        self::assertMatchesRegularExpression('/ \[unreachable /', Kernel::command('Renew', 42, self::SETTINGS));
    }

    /**
     * As the pages for staff do it; the bridge itself only reads records.
     *
     * @param array<string, mixed> $body
     */
    private function put(string $path, array $body, string $method = 'PUT', int $status = 200): void
    {
        $pairing = Pairing::stored();
        $json = (string) json_encode($body);
        $nonce = bin2hex(random_bytes(16));
        $signed = Signature::request($method, $path, '', $json, $pairing->keyId(), $pairing->key(), time(), $nonce);
        $lines = ['Content-Type: application/json'];
        foreach ($signed as $name => $value) {
            $lines[] = "$name: $value";
        }
        $curl = curl_init($pairing->url() . $path);
        curl_setopt($curl, CURLOPT_CUSTOMREQUEST, $method);
        curl_setopt($curl, CURLOPT_POSTFIELDS, $json);
        curl_setopt($curl, CURLOPT_HTTPHEADER, $lines);
        curl_setopt($curl, CURLOPT_RETURNTRANSFER, true);
        $answer = curl_exec($curl);
        self::assertSame($status, curl_getinfo($curl, CURLINFO_RESPONSE_CODE), (string) $answer);
    }

    private function connect(string $password): void
    {
        $this->router->do('connect', ['user' => '7-42', 'password' => $password, 'service' => 'l2tp']);
        self::assertCount(1, $this->router->rows('/ppp/active', '7-42'), 'the customer dials in');
    }

    private function isDisabled(): bool
    {
        $disabled = $this->router->rows('/ppp/secret', '7-42')[0]['disabled'] ?? 'false';
        return in_array($disabled, ['true', 'yes', true], true);
    }

    private function page(): string
    {
        return $this->render(4, turnpike_ClientArea(Kernel::params(42, self::SETTINGS)));
    }
}
