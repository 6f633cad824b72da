<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\ClientActions;
use WHMCS\Module\Server\Turnpike\Facts;

/**
 * Users of a client account who are not its owner see and do what the owner permits.
 */
final class PermitsTest extends BridgeTestCase
{
    private const SETTINGS = ['l2tp_psk' => self::PSK, 'support_l2tp' => 'on'];

    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        turnpike_activate();
        Capsule::table('tblcurrencies')->insert([
            'id' => 1, 'default' => 1, 'code' => 'EUR', 'prefix' => '', 'suffix' => ' EUR', 'rate' => '1.00000',
        ]);
        Capsule::table('tblclients')->where('id', 7)->update(['currency' => 1]);
        $this->peer()->answer('client-area', ['state' => 'active', 'information' => ['username' => 'kunde',
            'password' => self::SERVICE_PASSWORD, 'l2tp_psk' => self::PSK, 'protocols' => ['L2TP']],
            'connection' => ['status' => 'online'], 'traffic' => ['metered' => false], 'netflow' => ['visible' => true,
            'username' => 'ada', 'password' => 'flow-secret'], 'plan' => PlanTest::plan()]);
    }

    /**
     * @dataProvider viewers
     * @param array<string, mixed> $viewer
     */
    public function testSecretsAndOrdersAreForThoseWhoMay(array $viewer, bool $secrets, bool $orders): void
    {
        Kernel::$viewer = $viewer + Kernel::$viewer;
        foreach ([true, false] as $answers) {
            $answers || $this->pairWithNobody();
            $html = $this->page();
            $shown = html_entity_decode($html, ENT_QUOTES);
            self::assertSame($secrets, strpos($shown, self::SERVICE_PASSWORD) !== false);
            self::assertSame($secrets, strpos($shown, self::PSK) !== false);
            self::assertSame(!$secrets, strpos($shown, 'may view and change product passwords') !== false);
            self::assertStringContainsString('kunde', $shown, 'the page is there');
            if ($answers) {
                self::assertSame($secrets, strpos($shown, 'flow-secret') !== false);
                self::assertSame($secrets, strpos($shown, 'value="new_password"') !== false);
                self::assertSame($orders, strpos($shown, 'value="reset_day"') !== false);
                self::assertStringContainsString('value="disconnect"', $shown);
            }
        }
    }

    /**
     * @dataProvider viewers
     * @param array<string, mixed> $viewer
     */
    public function testAFormThatWasNotShownDoesNothing(array $viewer, bool $secrets, bool $orders): void
    {
        Kernel::$viewer = $viewer + Kernel::$viewer;
        $peer = $this->peer();
        $peer->answer('change-password', ['account' => []]);
        foreach (['new_password' => $secrets, 'reset_day' => $orders] as $action => $may) {
            $_SERVER['REQUEST_METHOD'] = 'POST';
            $_POST = ['turnpike_action' => $action, 'turnpike_once' => ClientActions::key(41),
                'token' => generate_token('plain')];
            self::assertSame(!$may, strpos($this->page(), 'You are not permitted to do this') !== false, $action);
        }
        self::assertSame($secrets, in_array('change-password', array_column($peer->requests(), 'hook'), true));
        self::assertSame($orders ? 1 : 0, Capsule::table('tblinvoices')->count());
    }

    /**
     * @return array<string, array{array<string, mixed>, bool, bool}>
     */
    public function viewers(): array
    {
        $invited = static function ($permissions): array {
            return ['user' => 71, 'answer' => ['permissions' => $permissions]];
        };
        return [
            'the owner' => [['user' => Kernel::OWNER], true, true],
            'an admin as the owner' => [['user' => 0, 'masquerades' => true], true, true],
            'invited, with both' => [$invited(['products', 'manageproducts', 'orders']), true, true],
            'invited, passwords alone' => [$invited(['permission' => ['products', 'manageproducts']]), true, false],
            'invited, orders alone' => [$invited('products, orders'), false, true],
            'invited, looks alone' => [$invited(['products']), false, false],
            'invited, said in a way nobody knows' => [$invited(5), false, false],
            'a stranger to the account' => [['user' => 72, 'answer' => ['result' => 'error']], false, false],
            'nobody' => [['user' => 0], false, false],
        ];
    }

    public function testTheBoxOfOtherModulesServicesHidesItsPasswordToo(): void
    {
        $this->service(45, 'Active', 'vps');
        Capsule::table('tblhosting')->where('id', 45)->update(['packageid' => 9]);
        Facts::learn([45 => ['netflow' => ['client' => ['visible' => true, 'username' => 'ada',
            'password' => 'flow-secret']]]]);
        $box = static function (): string {
            return (string) run_hook('ClientAreaProductDetailsOutput', ['service' => (object) ['id' => 45]])[0];
        };
        self::assertStringContainsString('flow-secret', $box());
        Kernel::$viewer = ['user' => 71, 'answer' => ['permissions' => ['products']]] + Kernel::$viewer;
        self::assertStringContainsString('ada', $box());
        self::assertStringNotContainsString('flow-secret', $box());
    }

    private function page(): string
    {
        return $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
    }
}
