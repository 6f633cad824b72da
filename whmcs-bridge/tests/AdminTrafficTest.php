<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;

/**
 * Traffic that staff add on the service's page: what is said of it is so, and a form in doubt is kept until it is
 * settled.
 */
final class AdminTrafficTest extends BridgeTestCase
{
    private const FIRST = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
    private const SECOND = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';

    protected function setUp(): void
    {
        parent::setUp();
        turnpike_activate();
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $this->peer()->answer('admin-tab', ['fields' => []]);
        $_SERVER['REQUEST_METHOD'] = 'POST';
    }

    protected function tearDown(): void
    {
        $_SERVER['REQUEST_METHOD'] = 'GET';
        parent::tearDown();
    }

    public function testWhatBecomesOfASecondWindowsFormLeavesTheFirstOnesOpen(): void
    {
        $this->leaveInDoubt();
        $peer = $this->peer();
        $peer->answer('add-traffic', ['account' => []]);
        self::assertStringContainsString('5 GB were added.', $this->save('5', self::SECOND)['Turnpike']);
        self::assertSame(['2', self::FIRST], $this->form());
        $peer->refuse('add-traffic', 409, 'key-reused', 'The key was used with another number of bytes.');
        $this->save('5', self::SECOND);
        self::assertSame(['2', self::FIRST], $this->form());
        $peer->refuse('add-traffic', 500, 'internal', 'A defect.');
        $says = $this->save('5', self::SECOND)['Turnpike'];
        self::assertStringContainsString('5 GB may not have been added; look at the last entries', $says);
        self::assertSame(['2', self::FIRST], $this->form(), 'one form keeps one');
        self::assertStringContainsString('not certain whether 5 GB were added to service 41', $this->logs());
        $peer->answer('add-traffic', ['account' => []]);
        $this->save('2', self::FIRST);
        self::assertSame('', $this->form()[0]);
    }

    /**
     * @dataProvider certain
     */
    public function testWhatWasCertainlyNotAddedIsCalledThatAndKeepsNoForm(string $how): void
    {
        if ($how === 'nobody listens') {
            $this->pairWithNobody();
        } elseif ($how === 'busy') {
            $this->peer()->refuse('add-traffic', 409, 'busy', 'Another request works on it.');
        } elseif ($how === 'refused for good') {
            $this->peer()->refuse('add-traffic', 404, 'no-such-service', 'Service 41 is not known here.');
        } elseif ($how === 'no server') {
            Capsule::table('tblservers')->update(['hostname' => '', 'ipaddress' => '']);
        } elseif ($how === 'not paired') {
            Capsule::table('tbladdonmodules')->delete();
        } else {
            Facts::forget(41);
            $silence = $this->pairWithSilence();
            Limits::$shorten = 50;
        }
        $params = Kernel::params(41);
        if ($how === 'no server') {
            $params = ['serverhostname' => '', 'serverip' => ''] + $params;
        }
        $this->post('2', self::FIRST);
        turnpike_AdminServicesTabFieldsSave($params);
        self::assertStringContainsString('2 GB were not added.', $_SESSION['turnpike_said'][41]);
        self::assertEmpty($_SESSION['turnpike_adding'] ?? []);
        self::assertStringNotContainsString('not certain', $this->logs());
        unset($silence);
    }

    /**
     * @return array<string, array{string}>
     */
    public function certain(): array
    {
        $all = ['nobody listens', 'busy', 'refused for good', 'no server', 'not paired',
            'silent when asked how large a GB is'];
        return (array) array_combine($all, array_map(static function (string $how): array {
            return [$how];
        }, $all));
    }

    public function testWhatMayBeInTheBooksAlthoughTurnpikeFailedAfterwardsKeepsItsForm(): void
    {
        foreach (['internal' => 500, 'database-unavailable' => 503, 'nonce-reused' => 401] as $code => $status) {
            $this->peer()->refuse('add-traffic', $status, $code, 'It failed.');
            self::assertStringContainsString('not certain', $this->save('2', self::FIRST)['Turnpike'], $code);
            self::assertSame(['2', self::FIRST], $this->form());
            unset($_SESSION['turnpike_adding']);
        }
    }

    public function testThatItIsNotCertainStandsBesideTheFormAsLongAsItIsKept(): void
    {
        $this->leaveInDoubt();
        $said = $_SESSION['turnpike_said'][41];
        self::assertStringStartsWith('It is not certain whether the 2 GB were added. A defect. [internal', $said);
        $this->pairWithNobody();
        $fields = turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertSame(['Turnpike'], array_keys($fields), 'no form is promised where none is');
        $this->peer();
        foreach ([1, 2] as $view) {
            $form = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
            self::assertStringContainsString('It is not certain whether these 2 GB were added.', $form, "view $view");
            self::assertStringContainsString('When the page is saved, for whatever reason', $form);
        }
        $this->post('', self::FIRST);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        $form = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
        self::assertStringNotContainsString('not certain', $form, 'given up');
        $_SESSION['turnpike_adding'] = [41 => ['key' => self::FIRST, 'gb' => '<2>', 'note' => '']];
        $form = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
        self::assertStringContainsString('these &lt;2&gt; GB', $form);
    }

    /** Two GB that nobody knows of whether they were added. */
    private function leaveInDoubt(): void
    {
        $this->peer()->refuse('add-traffic', 500, 'internal', 'A defect.');
        $this->post('2', self::FIRST);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
    }

    private function post(string $gigabytes, string $key): void
    {
        $_POST = ['turnpike_add_gb' => $gigabytes, 'turnpike_add_note' => '', 'turnpike_add_key' => $key];
    }

    /**
     * @return array<string, string> the fields of the page that follows
     */
    private function save(string $gigabytes, string $key): array
    {
        $this->post($gigabytes, $key);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        return turnpike_AdminServicesTabFields(Kernel::params(41));
    }

    /**
     * @return array{string, string} amount and key that the form holds
     */
    private function form(): array
    {
        $html = turnpike_AdminServicesTabFields(Kernel::params(41))['Add traffic'];
        preg_match('/name="turnpike_add_gb" value="([^"]*)"/', $html, $amount);
        preg_match('/name="turnpike_add_key" value="([^"]*)"/', $html, $key);
        return [$amount[1], $key[1]];
    }
}
