<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Module\Server\Turnpike\Lang;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * The customer's page, rendered by both Smarty majors that WHMCS has shipped.
 */
final class ClientAreaTest extends BridgeTestCase
{
    private const SETTINGS = ['l2tp_psk' => self::PSK, 'support_l2tp' => 'on', 'support_pptp' => '',
        'instruction_url' => 'https://example.net/manual'];

    /**
     * @return array<string, array{int}>
     */
    public function smarties(): array
    {
        return ['Smarty 3' => [3], 'Smarty 4' => [4]];
    }

    /**
     * @dataProvider smarties
     */
    public function testTheInformationPageShowsEverythingTheCustomerNeeds(int $smarty): void
    {
        $this->peer()->answer('client-area', $this->answer());
        $html = $this->render($smarty, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        foreach (
            ['vpn1.example.net', 'PPtP, L2TP', 'https://example.net/manual', '10 Mbit/s download / unlimited upload',
            'Online', 'as of 2026-11-20 14:02 UTC', '10.8.0.2', '1 d 01:01:01', '4.2 GB', '10 GB on 2026-12-01',
            'Traffic statistics', 'modules/servers/turnpike/assets/turnpike.css', 'netflow.example.net'] as $shown
        ) {
            self::assertStringContainsString($shown, $html);
        }
        self::assertSame([[Sidecar::CONNECT_MS, Sidecar::PAGE_MS]], Limits::$set);
        $inputs = $this->inputs($html);
        self::assertSame(self::SERVICE_PASSWORD, $inputs['turnpikePassword']);
        self::assertSame(self::PSK, $inputs['turnpikePsk']);
        self::assertSame('kunde', $inputs['turnpikeUsername']);
        self::assertStringNotContainsString('<script', $html, 'the page works without JavaScript');
        $this->assertNoSecretsIn($this->logs());
    }

    public function testABlankOptionHidesNothingOnThePageWithoutTurnpike(): void
    {
        $this->pairWithNobody();
        $blank = ['configoptions' => ['l2tp_psk' => ' ', 'instruction_url' => '', 'support_l2tp|L2TP' => '|No choice']];
        $html = $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS, $blank)));
        self::assertSame(self::PSK, $this->inputs($html)['turnpikePsk']);
        self::assertStringContainsString('https://example.net/manual', $html);
    }

    /**
     * @dataProvider smarties
     */
    public function testNothingFromOutsideBecomesMarkup(int $smarty): void
    {
        $evil = '"><script>alert(1)</script>';
        $answer = $this->answer();
        array_walk_recursive($answer, static function (&$value) use ($evil): void {
            if (is_string($value) && !in_array($value, ['active', 'online'], true)) {
                $value = $evil;
            }
        });
        $answer['information']['instruction_url'] = 'javascript:alert(1)';
        $answer['netflow']['url'] = 'https://x.example/"onclick="x';
        $answer['charts']['days_svg'] = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"></svg>';
        $answer['statistics']['days'] = [['date' => $evil, 'download_bytes' => 1, 'upload_bytes' => 1],
            ['date' => '2026-11-19', 'download_bytes' => 1, 'upload_bytes' => 1]];
        $this->peer()->answer('client-area', $answer);
        foreach (['', 'statistics', $evil, ['x']] as $view) {
            $_GET['customAction'] = $view;
            $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
            $template = $view === 'statistics' ? 'templates/statistics.tpl' : 'templates/overview.tpl';
            self::assertSame($template, $page['tabOverviewModuleOutputTemplate']);
            $html = $this->render($smarty, $page);
            self::assertStringNotContainsString('<script', $html);
            self::assertStringNotContainsString('javascript:', $html);
            self::assertStringNotContainsString('onclick=', $html);
            self::assertStringNotContainsString('<svg', $html);
        }
    }

    /**
     * @dataProvider smarties
     */
    public function testTheStatisticsPageShowsChartsInlineAndTheFiguresBesideAndAsAFile(int $smarty): void
    {
        $_GET['customAction'] = 'statistics';
        $this->peer()->answer('client-area', $this->answer());
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertSame('templates/statistics.tpl', $page['tabOverviewModuleOutputTemplate']);
        $html = $this->render($smarty, $page);
        $chart = '<svg class="turnpike-chart"><g><title>2026-11-19: download 1.5 GB</title></g></svg>';
        self::assertStringContainsString("<div class=\"turnpike-figure\">$chart</div>", $html);
        self::assertStringContainsString('<td>2026-11-19</td><td>1.5 GB</td><td>0.0001 GB</td><td>1.5 GB</td>', $html);
        self::assertSame(1, preg_match('~href="data:text/csv;charset=utf-8;base64,([^"]+)"~', $html, $file));
        self::assertSame(
            "date,download_bytes,upload_bytes\r\n2026-11-19,1610612736,100000\r\n",
            base64_decode($file[1])
        );
        self::assertStringContainsString('download="traffic-41-days.csv"', $html);
        self::assertStringContainsString('no reading yet', $html, 'months have none');
        self::assertStringNotContainsString(self::PSK, html_entity_decode($html));
    }

    /**
     * @dataProvider smarties
     */
    public function testWithTurnpikeDownThePageShowsWhatWhmcsKnowsAndSaysSo(int $smarty): void
    {
        $this->pairWithNobody();
        $html = $this->render($smarty, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        self::assertStringContainsString('not available at the moment', $html);
        self::assertMatchesRegularExpression('/Reference: whmcs-[0-9a-f]{8}/', $html);
        $inputs = $this->inputs($html);
        self::assertSame(['turnpikeServer' => 'vpn1.example.net', 'turnpikePsk' => self::PSK,
            'turnpikePskCopy' => self::PSK, 'turnpikeUsername' => 'kunde',
            'turnpikePassword' => self::SERVICE_PASSWORD, 'turnpikePasswordCopy' => self::SERVICE_PASSWORD], $inputs);
        self::assertStringNotContainsString('<form', $html, 'what could not be done now is not offered');
        self::assertStringContainsString('Unknown', $html);
        self::assertStringNotContainsString('Offline', $html, 'unknown is not offline');
        self::assertStringNotContainsString('127.0.0.1', $html, 'and no word of where Turnpike lives');
        self::assertStringNotContainsString('Traffic information', $html);
    }

    /**
     * @dataProvider smarties
     */
    public function testAServiceThatIsNotActiveGetsTheErrorPageWithoutACall(int $smarty): void
    {
        $peer = $this->peer();
        foreach (['Pending', 'Suspended', 'Terminated', 'Cancelled', 'Fraud'] as $status) {
            $page = turnpike_ClientArea(['status' => $status] + Kernel::params(41, self::SETTINGS));
            self::assertSame('templates/error.tpl', $page['tabOverviewModuleOutputTemplate']);
        }
        self::assertStringContainsString('The service is not active', $this->render($smarty, $page));
        self::assertSame([], $peer->requests());
    }

    public function testAnAccountThatIsNotThereGetsTheErrorPage(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', ['state' => 'missing']);
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertSame('templates/error.tpl', $page['tabOverviewModuleOutputTemplate']);
        $peer->refuse('client-area', 404, 'no-such-service', 'Service 41 is not known here.');
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertSame('templates/error.tpl', $page['tabOverviewModuleOutputTemplate']);
        $peer->answer('client-area', ['state' => 'inactive']);
        $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertStringContainsString('not active', $page['templateVariables']['turnpike']['message']);
    }

    /**
     * @dataProvider causes
     */
    public function testABlockedAccountSaysWhy(string $cause, string $says): void
    {
        $answer = $this->answer();
        $answer['state'] = 'blocked';
        $answer['traffic'] = ['blocked_by' => $cause, 'balance_bytes' => -4240000000] + $answer['traffic'];
        $this->peer()->answer('client-area', $answer);
        $html = $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        self::assertStringContainsString($says, $html);
        self::assertStringContainsString('-3.95 GB', $html);
    }

    public function testWhoPaysOnceIsPromisedNoRenewal(): void
    {
        $answer = $this->answer();
        $answer['state'] = 'blocked';
        $answer['traffic'] = ['blocked_by' => 'quota', 'next_cycle_bytes' => null, 'next_cycle_date' => null]
            + $answer['traffic'];
        $this->peer()->answer('client-area', $answer);
        $html = $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        self::assertStringContainsString('It comes back as soon as traffic is added.', $html);
        self::assertStringNotContainsString('renewal', $html);
    }

    /**
     * @return array<int, array{string, string}>
     */
    public function causes(): array
    {
        return [
            ['quota', 'traffic balance is used up'],
            ['quota', 'comes back with the renewal on 2026-12-01'],
            ['billing', 'payment that is due'],
            ['billing', 'href="clientarea.php?action=invoices"'],
            ['admin', 'by our staff'],
            ['something new', 'href="submitticket.php"'],
        ];
    }

    public function testAnUnmeteredAccountAndASilentRouterAreSaidAsSuch(): void
    {
        $answer = $this->answer();
        $answer['traffic'] = ['metered' => false, 'balance_bytes' => null, 'next_cycle_bytes' => null];
        $answer['connection'] = ['status' => 'unknown', 'as_of' => '2026-11-20T14:02:00Z', 'address' => null];
        $answer['netflow'] = null;
        $this->peer()->answer('client-area', $answer);
        $html = $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        self::assertStringContainsString('Unmetered', $html);
        self::assertStringContainsString('last known 2026-11-20 14:02 UTC', $html);
        self::assertStringNotContainsString('Network usage', $html);
    }

    public function testAnAnswerWithHolesStillMakesAPage(): void
    {
        $odd = ['state' => 'active', 'information' => 'x', 'traffic' => [1], 'charts' => 7];
        foreach ([['state' => 'active'], $odd] as $answer) {
            $this->peer()->answer('client-area', $answer);
            foreach (['', 'statistics'] as $view) {
                $_GET['customAction'] = $view;
                $page = turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
                foreach ([3, 4] as $smarty) {
                    self::assertStringContainsString('class="turnpike"', $this->render($smarty, $page));
                }
            }
        }
    }

    public function testTheCustomersLanguageIsUsedAndOverridesWinAndEnglishFillsTheGaps(): void
    {
        $folder = sys_get_temp_dir() . '/turnpike-lang-' . bin2hex(random_bytes(6));
        mkdir("$folder/overrides", 0700, true);
        $write = static function (string $file, array $texts) use ($folder): void {
            file_put_contents("$folder/$file.php", '<?php return ' . var_export($texts, true) . ';');
        };
        $write('english', ['a' => 'en a', 'b' => 'en b', 'c' => 'en %s of %s']);
        $write('german', ['a' => 'de a', 'b' => 'de b']);
        $write('overrides/german', ['b' => 'own b']);
        $lang = new Lang('german', $folder);
        self::assertSame(
            ['de a', 'own b', 'en 1% of %s', 'nothing'],
            [$lang->get('a'), $lang->get('b'), $lang->get('c', '1%', '%s'), $lang->get('nothing')]
        );
        self::assertSame('en a', (new Lang('../../etc/passwd', $folder))->get('a'));
        $_SESSION['Language'] = 'klingon';
        self::assertSame('Username', Lang::ofClient([])->get('username'));
        $_SESSION['Language'] = 'polish';
        $peer = $this->peer();
        $peer->answer('client-area', $this->answer());
        turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertSame('polish', $peer->requests()[0]['body']['client']['language'], 'for the words of the charts');
        array_map('unlink', array_merge((array) glob("$folder/*.php"), (array) glob("$folder/overrides/*.php")));
        rmdir("$folder/overrides");
        rmdir($folder);
    }

    /**
     * @return array<string, mixed>
     */
    private function answer(): array
    {
        return [
            'state' => 'active',
            'information' => ['instruction_url' => 'https://example.net/manual', 'server_address' => 'vpn1.example.net',
                'protocols' => ['PPtP', 'L2TP'], 'l2tp_psk' => self::PSK, 'username' => 'kunde',
                'password' => self::SERVICE_PASSWORD, 'download_kbps' => 10000, 'upload_kbps' => 0],
            'connection' => ['status' => 'online', 'as_of' => '2026-11-20T14:02:33Z', 'address' => '10.8.0.2',
                'caller_id' => '198.51.100.7', 'service' => 'l2tp', 'uptime_seconds' => 90061],
            'traffic' => ['metered' => true, 'balance_bytes' => 4509715661, 'next_cycle_bytes' => 10737418240,
                'next_cycle_date' => '2026-12-01', 'blocked_by' => null],
            'statistics' => ['days' => [['date' => '2026-11-19', 'download_bytes' => 1610612736,
                'upload_bytes' => 100000]], 'months' => []],
            'charts' => ['days_svg' => '<svg xmlns="http://www.w3.org/2000/svg" class="turnpike-chart"><g><title>'
                . '2026-11-19: download 1.5 GB</title></g></svg>', 'months_svg' => ''],
            'netflow' => ['visible' => true, 'url' => 'https://netflow.example.net/', 'username' => 'ada',
                'group' => null, 'ip_address' => null, 'password' => null],
        ];
    }

    /**
     * @return array<string, string> the page's input fields by id
     */
    private function inputs(string $html): array
    {
        $document = new \DOMDocument();
        $document->loadHTML('<?xml encoding="utf-8"?>' . $html, LIBXML_NOERROR);
        $inputs = [];
        foreach ($document->getElementsByTagName('input') as $input) {
            $inputs[$input->getAttribute('id')] = $input->getAttribute('value');
        }
        return $inputs;
    }
}
