<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Pages;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * The addon's pages that Turnpike draws: what is forwarded and what is not, against the peer.
 */
final class AddonPagesTest extends BridgeTestCase
{
    private const LINK = 'addonmodules.php?module=turnpike';

    protected function setUp(): void
    {
        parent::setUp();
        Capsule::table('tbladminroles')->insert([['id' => 1, 'name' => 'Full Administrator'],
            ['id' => 2, 'name' => 'Sales &amp; Support']]);
        Capsule::table('tbladmins')->insert(['id' => 5, 'username' => 'grace', 'roleid' => 2]);
        $_SESSION['adminid'] = 5;
        $_SESSION['adminlang'] = 'german';
    }

    public function testAPageIsAskedForAndShownAsTurnpikeDrewIt(): void
    {
        $peer = $this->peer();
        $peer->answer('admin/accounts', self::drawn('<p>drawn &amp; shown</p>'));
        $_GET = ['module' => 'turnpike', 'page' => 'accounts', 'q' => 'a&amp;b', 'odd' => ['x']];
        self::assertSame('<p>drawn &amp; shown</p>', $this->page()['html']);
        $body = $peer->requests()[0]['body'];
        $all = ['view' => true, 'create' => true, 'edit' => true, 'delete' => true];
        $admin = ['name' => 'grace', 'can_edit' => true, 'plans' => $all, 'language' => 'german'];
        self::assertSame($admin, $body['admin']);
        self::assertSame(self::LINK, $body['link']);
        self::assertSame('GET', $body['method']);
        self::assertSame(['q' => 'a&b'], $body['query'], 'as it was typed, without what WHMCS needs itself');
        self::assertSame([], $body['form']);
        self::assertSame(['turnpike_form', 'token'], array_keys($body['token']));
        self::assertSame([['name' => 'pairing', 'text' => 'Connection']], $body['tabs']);
        self::assertSame(Sidecar::PAGE_MS, Limits::$set[0][1]);
        self::assertSame([], Kernel::$moduleLog, 'what went well is not logged');
    }

    public function testWithoutANameItIsTheOverviewAndAStrangeNameIsToo(): void
    {
        $peer = $this->peer();
        $peer->answer('admin/overview', self::drawn('overview'));
        foreach ([[], ['page' => '../hooks/create'], ['page' => ['x']], ['page' => "a\nb"]] as $query) {
            $_GET = $query;
            self::assertSame('overview', $this->page()['html']);
        }
    }

    /**
     * @dataProvider roles
     */
    public function testTheRoleSettlesWhetherThingsMayBeChanged(string $setting, bool $may): void
    {
        $peer = $this->peer();
        $peer->answer('admin/overview', self::drawn(''));
        $this->page(['edit_roles' => $setting]);
        self::assertSame($may, $peer->requests()[0]['body']['admin']['can_edit']);
    }

    /**
     * @return array<string, array{string, bool}>
     */
    public function roles(): array
    {
        return [
            'empty' => ['', true],
            'blanks' => [' , ', true],
            'by name, encoded' => ['Full Administrator, sales &amp; support', true],
            'by number' => ['2', true],
            'others' => ['Full Administrator, 1', false],
        ];
    }

    /**
     * @dataProvider planRights
     * @param array<string, string> $settings
     * @param list<bool> $may view, create, edit, delete
     */
    public function testWhatARoleMayDoWithPlansIsSettledApart(array $settings, array $may): void
    {
        $peer = $this->peer();
        $peer->answer('admin/overview', self::drawn(''));
        $this->page($settings);
        $rights = array_combine(['view', 'create', 'edit', 'delete'], $may);
        self::assertSame($rights, $peer->requests()[0]['body']['admin']['plans']);
    }

    /**
     * @return array<string, array{array<string, string>, list<bool>}>
     */
    public function planRights(): array
    {
        return [
            'nothing said' => [[], [true, true, true, true]],
            'who only looks' => [['edit_roles' => '1'], [true, false, false, false]],
            'apart' => [['edit_roles' => '1', 'plan_edit_roles' => 'sales &amp; support'], [true, false, true, false]],
            'no deleting' => [['plan_delete_roles' => 'Full Administrator'], [true, true, true, false]],
            'not even looking' => [['plan_view_roles' => '1'], [false, true, true, true]],
        ];
    }

    /**
     * @dataProvider refusals
     * @param array<string, string> $settings
     * @param array<string, string> $query
     * @param array<string, string> $form
     */
    public function testWhatARoleMayNotDoIsNotForwarded(
        array $settings,
        string $page,
        array $query,
        array $form,
        string $shown
    ): void {
        $peer = $this->peer();
        $peer->answer('admin/' . $shown, self::drawn('looked at'));
        $_GET = $query;
        $this->send($page, $form, [], $settings);
        $body = $peer->requests()[0]['body'];
        self::assertSame(['GET', []], [$body['method'], $body['form']]);
        self::assertSame('danger', $body['flash']['level']);
        self::assertStringContainsString('Your role may not do this', $body['flash']['text']);
    }

    /**
     * @return array<string, array{array<string, string>, string, array<string, string>, array<string, string>, string}>
     */
    public function refusals(): array
    {
        $delete = ['do' => 'delete'];
        $save = ['do' => 'save', 'name' => 'Gold'];
        return [
            'delete' => [['plan_delete_roles' => '1'], 'plans', ['remove' => '7'], $delete, 'plans'],
            'edit' => [['plan_edit_roles' => '1'], 'plans', ['plan' => '7'], $save, 'plans'],
            'add' => [['plan_create_roles' => '1'], 'plans', ['add' => '1'], $save, 'plans'],
            'duplicate' => [['plan_create_roles' => '1'], 'plans', ['copy' => '7'], ['do' => 'duplicate'], 'plans'],
            'a rule' => [['edit_roles' => '1'], 'rules', ['rule' => '7'], $save, 'rules'],
            'unseen' => [['plan_view_roles' => '1'], 'plans', ['plan' => '7'], $save, 'overview'],
        ];
    }

    public function testPlansThatARoleMayNotSeeAreNotAskedFor(): void
    {
        $peer = $this->peer();
        $peer->answer('admin/overview', self::drawn('the overview'));
        $_GET = ['page' => 'fup'];
        self::assertSame('the overview', $this->page(['plan_view_roles' => '1'])['html']);
    }

    public function testAnAdministratorThatWhmcsDoesNotTellOfOnlyLooksWhereRolesAreNamed(): void
    {
        $peer = $this->peer();
        $peer->answer('admin/overview', self::drawn(''));
        unset($_SESSION['adminid']);
        $this->page(['edit_roles' => '1']);
        self::assertFalse($peer->requests()[0]['body']['admin']['can_edit']);
    }

    public function testAFormIsForwardedWithItsTokenCheckedAndFollowedByWhereItLeads(): void
    {
        $peer = $this->peer();
        $peer->answer('admin/netflow', ['title' => '', 'html' => '', 'status' => 303,
            'flash' => ['level' => 'success', 'text' => 'It is done.'], 'location' => self::LINK . '&page=netflow']);
        $form = ['do' => 'save', 'password' => 'flow-s3cret&amp;', 'service' => '41', 'notes' => "two\r\nlines"];
        $page = $this->send('netflow', $form);
        self::assertSame(self::LINK . '&page=netflow', $page['location']);
        $body = $peer->requests()[0]['body'];
        self::assertSame('POST', $body['method']);
        $sent = array_replace($form, ['password' => 'flow-s3cret&']);
        self::assertSame($sent, $body['form'], 'without the tokens, decoded once');
        self::assertSame(['id' => 41, 'found' => true, 'client_id' => 7, 'label' => 'VPN'], $body['service']);
        self::assertSame(Sidecar::USAGE_MS, Limits::$set[0][1]);
        $peer->answer('admin/netflow', self::drawn('the list'));
        $_GET = ['page' => 'netflow', 'service' => '4711'];
        $this->page();
        $this->page();
        [, $first, $second] = $peer->requests();
        self::assertSame(['level' => 'success', 'text' => 'It is done.'], $first['body']['flash']);
        self::assertSame(['id' => 4711, 'found' => false], $first['body']['service']);
        self::assertNull($second['body']['flash'], 'it is said once');
    }

    /**
     * @dataProvider forgeries
     */
    public function testAFormWithoutItsTokensIsNotForwarded(string $missing, ?string $instead): void
    {
        $peer = $this->peer();
        $peer->answer('admin/accounts', self::drawn('the page'));
        self::assertSame('the page', $this->send('accounts', ['do' => 'block'], [$missing => $instead])['html']);
        $body = $peer->requests()[0]['body'];
        self::assertSame(['GET', []], [$body['method'], $body['form']]);
        self::assertSame('warning', $body['flash']['level']);
        self::assertStringContainsString('expired', $body['flash']['text']);
    }

    /**
     * @return array<array{string, string|null}>
     */
    public function forgeries(): array
    {
        return [['token', null], ['token', 'x'], ['turnpike_form', null], ['turnpike_form', '']];
    }

    /**
     * @dataProvider elsewheres
     */
    public function testOnlyTheAddonsOwnPagesAreFollowed(string $location): void
    {
        $this->peer()->answer('admin/accounts', ['html' => '', 'status' => 303, 'location' => $location]);
        self::assertSame(self::LINK, $this->send('accounts', ['do' => 'block'])['location']);
    }

    /**
     * @return array<array{string}>
     */
    public function elsewheres(): array
    {
        return [['https://example.net/'], ['//example.net'], [''], [self::LINK . "&page=x\r\nSet-Cookie: a=b"]];
    }

    public function testATurnpikeThatIsDownIsSaidAndThePairingPageStaysInReach(): void
    {
        $this->pairWithNobody();
        $html = $this->page()['html'];
        self::assertStringContainsString('Turnpike does not answer at', $html);
        self::assertStringContainsString('href="addonmodules.php?module=turnpike&amp;page=pairing"', $html);
        $_GET = ['page' => 'pairing'];
        self::assertStringContainsString('turnpikePairingCode', $this->page()['html']);
        Capsule::table('tbladdonmodules')->delete();
        $_GET = [];
        self::assertStringContainsString('turnpikePairingCode', $this->page()['html'], 'not paired yet');
    }

    public function testWhatGoesWrongIsLoggedWithoutSecrets(): void
    {
        $peer = $this->peer();
        $peer->refuse('admin/netflow', 405, 'method-not-allowed', 'The administrator "grace" may look <b> only.');
        $html = $this->send('netflow', ['do' => 'save', 'password' => 'flow-s3cret'])['html'];
        self::assertStringContainsString('may look ‹b› only. [method-not-allowed ref-4711]', $html);
        self::assertCount(1, Kernel::$moduleLog);
        self::assertSame('page netflow', Kernel::$moduleLog[0]['action']);
        $log = $this->logs();
        foreach (['flow-s3cret', $_SESSION['tkval'], $_SESSION['turnpike_form']] as $secret) {
            self::assertStringNotContainsString($secret, $log);
        }
    }

    public function testAFormWhoseAnswerWasLostIsSentAgainWithItsKey(): void
    {
        $peer = $this->peer('slow');
        Limits::$shorten = 100;
        $once = str_repeat('a', 32);
        $sent = ['do' => 'add_traffic', 'gb' => '2', 'note' => 'a "b"', 'once' => $once];
        $html = $this->send('account', $sent)['html'];
        Limits::$shorten = 1;
        self::assertStringContainsString('Sent again, it is done once at the most', $html);
        $document = new \DOMDocument();
        $document->loadHTML($html, LIBXML_NOERROR);
        $form = $document->getElementsByTagName('form')->item(0);
        self::assertStringStartsWith(self::LINK . '&page=account', $form->getAttribute('action'));
        $_POST = [];
        foreach ($form->getElementsByTagName('input') as $input) {
            $_POST[$input->getAttribute('name')] = $input->getAttribute('value');
        }
        $_GET = ['module' => 'turnpike', 'page' => 'account'];
        $_SERVER['REQUEST_METHOD'] = 'POST';
        $this->peer();
        $peer->answer('admin/account', self::drawn('booked'));
        self::assertSame('booked', $this->page()['html']);
        [$first, $second] = array_column($peer->requests(), 'body');
        self::assertSame($once, $second['form']['once']);
        self::assertSame($first['form'], $second['form']);
        $this->pairWithNobody();
        $secret = ['once' => $once, 'password' => 'flow-s3cret'];
        self::assertStringNotContainsString('flow-s3cret', $this->send('netflow', $secret)['html']);
        self::assertStringNotContainsString('<form', $this->send('account', ['do' => 'block'])['html']);
    }

    public function testAPageInsideWhmcsIsShownByTheAddonsOutput(): void
    {
        $this->peer()->answer('admin/overview', self::drawn('<p>shown</p>'));
        ob_start();
        turnpike_output(['modulelink' => self::LINK]);
        self::assertSame('<p>shown</p>', ob_get_clean());
    }

    /**
     * @return array<string, mixed>
     */
    private static function drawn(string $html): array
    {
        return ['title' => 'Title', 'html' => $html, 'status' => 200, 'flash' => null, 'location' => null];
    }

    /**
     * @param array<string, mixed> $vars
     * @return array{html: string, location: string}
     */
    private function page(array $vars = []): array
    {
        return Pages::answer($vars + ['modulelink' => self::LINK]);
    }

    /**
     * @param array<string, string> $form
     * @param array<string, string|null> $change
     * @param array<string, string> $vars
     * @return array{html: string, location: string}
     */
    private function send(string $page, array $form, array $change = [], array $vars = []): array
    {
        $_GET = ['page' => $page] + $_GET;
        $tokens = ['token' => generate_token('plain'),
            'turnpike_form' => \WHMCS\Module\Addon\Turnpike\PairingPage::ownToken()];
        $_POST = array_filter($change + $tokens, 'is_string') + $form;
        $_SERVER['REQUEST_METHOD'] = 'POST';
        try {
            return $this->page($vars);
        } finally {
            $_SERVER['REQUEST_METHOD'] = 'GET';
            $_POST = $_GET = [];
        }
    }
}
