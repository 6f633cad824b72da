<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\View\Menu\Item;

/**
 * WHMCS's own pages around the modules': the admin area's addon page, the client area's product page. And one address
 * that is no page, by which tests do what WHMCS or its staff would (`/kernel`).
 */
final class Whmcs
{
    /** Staff member 5 is logged in to the admin area, customer 7 to the client area. */
    private const ADMIN = 5;
    private const CLIENT = 7;

    /** Answers the request; all of it is done here. */
    public static function answer(): bool
    {
        $path = (string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
        $path = preg_replace('~^/billing/~', '/', $path);
        $pages = ['/admin/addonmodules.php' => 'admin', '/clientarea.php' => 'client', '/kernel' => 'order'];
        if (isset($pages[$path])) {
            self::boot($path);
            [self::class, $pages[$path]]();
        } elseif (!Theme::file($path)) {
            http_response_code(404);
        }
        return true;
    }

    private static function boot(string $path): void
    {
        session_start();
        [$session, $method, $get, $post] = [$_SESSION, $_SERVER['REQUEST_METHOD'], $_GET, $_POST];
        putenv('TURNPIKE_TEST_MYSQL=');
        $file = (string) getenv('TURNPIKE_SITE_DATABASE');
        Kernel::boot($file === '' ? ':memory:' : $file);
        [$_SESSION, $_SERVER['REQUEST_METHOD'], $_GET, $_POST] = [$session, $method, $get, $post];
        if (!Capsule::table('tbladmins')->exists()) {
            self::seed();
        }
        $code = (string) getenv('TURNPIKE_SITE_CODE');
        if ($code !== '') {
            Pairing::fromCode($code)->store();
        }
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
    }

    private static function seed(): void
    {
        Capsule::table('tbladminroles')->insert(['id' => 1, 'name' => 'Full Administrator']);
        Capsule::table('tbladmins')->insert(['id' => self::ADMIN, 'username' => 'grace', 'roleid' => 1]);
        Capsule::table('tblproducts')->insert(['id' => 9, 'name' => 'VPS Basic', 'servertype' => 'solusvm']);
        Capsule::table('tblhosting')->insert([
            'id' => 500, 'userid' => 12, 'packageid' => 9, 'domain' => 'vps1.example.net', 'domainstatus' => 'Active',
        ]);
        Capsule::table('tblclients')->insert([
            'id' => self::CLIENT, 'firstname' => 'Ada', 'lastname' => 'Byron', 'email' => 'ada@example.net',
            'language' => 'english',
        ]);
        Capsule::table('tbladdonmodules')->insert([
            'module' => 'turnpike', 'setting' => 'edit_roles', 'value' => (string) getenv('TURNPIKE_SITE_ROLES'),
        ]);
    }

    private static function admin(): void
    {
        [$_GET, $_POST] = [self::encoded($_GET), self::encoded($_POST)];
        $_SESSION['adminid'] = self::ADMIN;
        $roles = Capsule::table('tbladdonmodules')->where('setting', 'edit_roles')->value('value');
        ob_start();
        turnpike_output(['modulelink' => 'addonmodules.php?module=turnpike', 'version' => '0.1.0',
            'edit_roles' => (string) $roles]);
        self::show(Theme::admin('Turnpike', (string) ob_get_clean()));
    }

    /**
     * The product page: what hooks print above, what the module prints, and the sidebar that hooks have filled.
     */
    private static function client(): void
    {
        $_SESSION['uid'] = self::CLIENT;
        if (is_string($_GET['language'] ?? null)) {
            $_SESSION['Language'] = $_GET['language'];
        }
        $id = (int) ($_GET['id'] ?? 0);
        $service = Capsule::table('tblhosting')->where('id', $id)->where('userid', self::CLIENT)->first();
        if ($service === null || ($_GET['action'] ?? '') !== 'productdetails') {
            http_response_code(404);
            return;
        }
        $product = Capsule::table('tblproducts')->where('id', $service->packageid)->first();
        $inside = $product->servertype === 'turnpike' ? self::rendered(turnpike_ClientArea(Kernel::params($id))) : '';
        $above = implode(run_hook('ClientAreaProductDetailsOutput', ['service' => (object) ['id' => $id]]));
        $sidebar = new Item();
        run_hook('ClientAreaPrimarySidebar', $sidebar);
        self::show(Theme::client($product->name, $service->domainstatus, $above, $inside, $sidebar));
    }

    /**
     * @param array<string, mixed> $page what ClientArea returned
     */
    private static function rendered(array $page): string
    {
        $major = ($_SERVER['HTTP_X_SMARTY'] ?? '') === '3' ? 3 : 4;
        $folder = dirname((string) getenv('TURNPIKE_SITE_DATABASE')) . "/smarty$major";
        $smarty = Kernel::smarty($major, $folder);
        $smarty->assign($page['templateVariables']);
        set_error_handler(static function (int $level, string $text, string $file) use ($folder): bool {
            if (strpos($file, $folder) === 0 && (error_reporting() & $level) !== 0) {
                throw new \RuntimeException("in the template: $text");
            }
            return true;
        });
        $template = Kernel::MODULES . '/servers/turnpike/' . $page['tabOverviewModuleOutputTemplate'];
        $html = (string) $smarty->fetch($template);
        restore_error_handler();
        return $html;
    }

    /** A page; one that raised a notice inside the modules is none. */
    private static function show(string $html): void
    {
        if (Kernel::$notices !== []) {
            http_response_code(500);
            echo htmlspecialchars(implode("\n", Kernel::$notices));
            return;
        }
        header('Content-Type: text/html; charset=utf-8');
        header('Content-Security-Policy: ' . Theme::policy());
        echo $html;
    }

    /**
     * What WHMCS or its staff do while nobody looks: module commands, hooks, rows that are typed in.
     */
    private static function order(): void
    {
        $order = json_decode((string) file_get_contents('php://input'), true);
        $did = null;
        switch ($order['do'] ?? '') {
            case 'command':
                $did = Kernel::command($order['name'], $order['service'], [], $order['more'] ?? []);
                break;
            case 'usage':
                $did = turnpike_UsageUpdate(Kernel::serverParams($order['server']));
                break;
            case 'hook':
                $did = run_hook($order['point']);
                break;
            case 'store':
                $values = $order['values'];
                foreach (array_intersect_key($values, ['password' => '']) as $name => $secret) {
                    $values[$name] = $secret === '' ? '' : encrypt($secret);
                }
                Capsule::table($order['table'])->updateOrInsert($order['where'], $values);
                break;
            case 'password':
                $row = Capsule::table('tblhosting')->where('id', $order['service'])->first();
                $did = decrypt((string) $row->password);
                break;
            default:
                http_response_code(400);
        }
        header('Content-Type: application/json');
        echo json_encode(['did' => $did, 'notices' => Kernel::$notices]);
    }

    /**
     * @param array<mixed> $values
     * @return array<mixed>
     */
    private static function encoded(array $values): array
    {
        return array_map(static function ($value) {
            return is_array($value) ? self::encoded($value) : Kernel::typed((string) $value);
        }, $values);
    }
}
