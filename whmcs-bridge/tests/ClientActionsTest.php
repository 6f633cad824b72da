<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\ClientActions;
use WHMCS\Module\Server\Turnpike\Sidecar;

/**
 * What customers may do, by their own forms and by forms that are not ours.
 */
final class ClientActionsTest extends BridgeTestCase
{
    private const PAGE = ['state' => 'active', 'information' => ['username' => 'kunde', 'password' => 'x'],
        'connection' => ['status' => 'online'], 'traffic' => ['metered' => false]];

    public function testANewPasswordIsMadeSentToTheRouterAndStoredByWhmcs(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $peer->answer('change-password', ['account' => []]);
        $this->press('new_password');
        $html = $this->view();
        self::assertStringContainsString('The VPN has a new password.', $html);
        $sent = $peer->requests()[1]['body']['service'];
        self::assertMatchesRegularExpression('/^[a-hj-km-zA-HJ-NP-Z2-9]{16}$/', $sent['password']);
        self::assertSame($sent['password'], decrypt($this->row(41)->password));
        self::assertSame('kunde', $sent['username']);
        $next = $peer->requests()[2]['body']['service'];
        self::assertSame($sent['password'], $next['password'], 'and used from then on');
        self::assertSame(Sidecar::LIFECYCLE_MS, Limits::$set[1][1]);
        self::assertStringNotContainsString($sent['password'], $this->logs());
    }

    public function testAFormThatIsSentTwiceDoesItOnce(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $peer->answer('change-password', ['account' => []]);
        $this->press('new_password');
        $this->view();
        $password = decrypt($this->row(41)->password);
        self::assertStringContainsString('done already', $this->view());
        self::assertSame($password, decrypt($this->row(41)->password));
        self::assertSame(1, array_count_values(array_column($peer->requests(), 'hook'))['change-password']);
        $this->press('new_password');
        self::assertStringContainsString('The VPN has a new password.', $this->view(), 'a new page, a new form');
        self::assertNotSame($password, decrypt($this->row(41)->password));
    }

    public function testAFormOfAPageWhoseOtherFormWasSentIsExpiredAndNotSaidToBeDone(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $peer->answer('disconnect', ['sessions' => 1]);
        $peer->answer('change-password', ['account' => []]);
        $this->press('disconnect');
        self::assertStringContainsString('connection was ended', $this->view());
        // Back to the old page, whose forms have the same key
        $old = $_POST;
        foreach (['new_password', 'reset_day'] as $other) {
            $_POST = ['turnpike_action' => $other] + $old;
            $html = $this->view();
            self::assertStringContainsString('had expired and nothing was changed', $html);
            self::assertStringNotContainsString('done already', $html);
        }
        $_POST = $old;
        self::assertStringContainsString('done already', $this->view(), 'which this one was');
        $asked = array_count_values(array_column($peer->requests(), 'hook'));
        self::assertSame(1, $asked['disconnect']);
        self::assertArrayNotHasKey('change-password', $asked);
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password));
    }

    public function testTheSessionIsDisconnected(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        foreach ([[1, 'connection was ended'], [0, 'No device was connected']] as [$sessions, $says]) {
            $peer->answer('disconnect', ['sessions' => $sessions]);
            $this->press('disconnect');
            self::assertStringContainsString($says, $this->view());
        }
        self::assertSame(2, array_count_values(array_column($peer->requests(), 'hook'))['disconnect']);
    }

    public function testNothingIsDoneByAFormThatIsNotOurs(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $wrong = [['turnpike_once' => ''], ['turnpike_once' => str_repeat('0', 32)], ['turnpike_once' => ['x']],
            ['turnpike_action' => 'TerminateAccount'], ['turnpike_action' => ['disconnect']], ['token' => 'x'],
            ['turnpike_action' => '']];
        foreach ($wrong as $change) {
            $this->press('disconnect');
            $_POST = $change + $_POST;
            self::assertStringContainsString('had expired and nothing was changed', $this->view());
        }
        $this->press('disconnect');
        $_GET += $_POST;
        $_POST = [];
        $this->view();
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_POST = $_GET;
        $this->view();
        self::assertSame(['client-area'], array_values(array_unique(array_column($peer->requests(), 'hook'))));
    }

    public function testAKeyOfAnotherServiceIsNone(): void
    {
        $this->service(43, 'Active', 'other', 'secret-of-43');
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $this->press('disconnect');
        $page = turnpike_ClientArea(Kernel::params(43));
        self::assertStringContainsString('had expired', $this->render(4, $page));
        self::assertNotContains('disconnect', array_column($peer->requests(), 'hook'));
    }

    public function testAServiceThatIsNotActiveDoesNothing(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $this->press('new_password');
        turnpike_ClientArea(['status' => 'Suspended'] + Kernel::params(41));
        self::assertSame(['client-area'], array_column($peer->requests(), 'hook'));
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password));
    }

    public function testAFailureTellsTheCustomerNoMoreThanThatAndStoresNothing(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        foreach (['new_password' => 'change-password', 'disconnect' => 'disconnect'] as $action => $hook) {
            $peer->refuse($hook, 503, 'router-unreachable', 'core-1 (10.0.0.1) does not answer; look at it.');
            $this->press($action);
            $html = $this->view();
            self::assertMatchesRegularExpression('/could not be .* \[router-unreachable ref-4711\]/', $html);
            self::assertStringNotContainsString('10.0.0.1', $html);
            self::assertStringNotContainsString('core-1', $html);
            self::assertStringContainsString('10.0.0.1', (string) end(Kernel::$activity), 'staff read it');
        }
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password));
    }

    public function testAFailureIsNotSaidToBeDoneWhenThePageIsLoadedAgain(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $peer->refuse('change-password', 503, 'router-unreachable', 'core-1 does not answer; look at it.');
        $this->press('new_password');
        foreach ([1, 2, 3] as $view) {
            $page = turnpike_ClientArea(Kernel::params(41));
            self::assertSame('danger', $page['templateVariables']['turnpike']['said']['level']);
            $html = $this->render(4, $page);
            self::assertStringContainsString('could not be changed right now and nothing was altered', $html);
            self::assertStringContainsString('[router-unreachable ref-4711]', $html);
            self::assertStringNotContainsString('done already', $html);
            self::assertSame($view > 1, strpos($html, 'not acted upon a second time') !== false);
        }
        self::assertSame(1, array_count_values(array_column($peer->requests(), 'hook'))['change-password']);
    }

    public function testWhatCameOfAnActionWhoseRequestDiedIsNotGuessed(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $this->press('disconnect');
        $used = ['form' => "disconnect $_POST[turnpike_once]", 'said' => null];
        $_SESSION['turnpike_used'] = [41 => $used];
        $html = $this->view();
        self::assertStringContainsString('it is not known yet what came of it', $html);
        self::assertStringNotContainsString('done already', $html);
        self::assertNotContains('disconnect', array_column($peer->requests(), 'hook'));
    }

    public function testWhenNobodyKnowsWhetherThePasswordWasChangedThePageSaysSo(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $this->press('new_password');
        $this->peer('slow');
        Limits::$shorten = 100;
        $html = $this->view();
        self::assertStringContainsString('It is not certain whether the password was changed', $html);
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password));
    }

    public function testAPasswordThatWhmcsCouldNotStoreIsNotSaidToBeTheOldOne(): void
    {
        $peer = $this->peer();
        $peer->answer('client-area', self::PAGE);
        $peer->answer('change-password', ['account' => []]);
        $this->press('new_password');
        $does = Capsule::connection()->getDriverName() === 'sqlite' ? "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            : "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'disk full'";
        Capsule::connection()->unprepared("CREATE TRIGGER full_disk BEFORE UPDATE ON tblhosting $does");
        try {
            $html = $this->view();
        } finally {
            Capsule::connection()->unprepared('DROP TRIGGER full_disk');
        }
        self::assertStringContainsString('It is not certain whether the password was changed', $html);
        self::assertSame(self::SERVICE_PASSWORD, decrypt($this->row(41)->password));
    }

    public function testPasswordsAreRandomAndWithoutLookAlikes(): void
    {
        $all = [];
        for ($i = 0; $i < 500; $i++) {
            $all[] = ClientActions::newRandomPassword();
        }
        self::assertCount(500, array_unique($all));
        $used = count_chars(implode($all), 3);
        self::assertDoesNotMatchRegularExpression('/[0O1lIi&<>"\' o]/', $used);
        self::assertSame(55, strlen($used), 'every character of the alphabet comes up');
    }

    /** Opens the page and fills in one of its forms, as a browser would send it. */
    private function press(string $action): void
    {
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_POST = [];
        $document = new \DOMDocument();
        $document->loadHTML($this->view(), LIBXML_NOERROR);
        foreach ($document->getElementsByTagName('form') as $form) {
            $button = $form->getElementsByTagName('button')->item(0);
            if ($button->getAttribute('value') !== $action) {
                continue;
            }
            self::assertSame('post', $form->getAttribute('method'));
            self::assertSame('clientarea.php?action=productdetails&id=41', $form->getAttribute('action'));
            $_POST = [$button->getAttribute('name') => $action];
            foreach ($form->getElementsByTagName('input') as $input) {
                $_POST[$input->getAttribute('name')] = $input->getAttribute('value');
            }
        }
        self::assertArrayHasKey('token', $_POST, "the page has a form for $action");
        $_SERVER['REQUEST_METHOD'] = 'POST';
    }

    private function view(): string
    {
        return $this->render(4, turnpike_ClientArea(Kernel::params(41)));
    }
}
