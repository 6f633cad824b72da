<?php

/**
 * WHMCS's admin area as far as the addon sees it, for PHP's own web server: a session, WHMCS's token, request values
 * entity-encoded, a page's output held back until it is complete. Each request has a fresh WHMCS of its own.
 *
 *   TURNPIKE_SITE_CODE   the pairing code
 *   TURNPIKE_SITE_ROLES  the addon's setting: which roles may change things
 *   TURNPIKE_SITE_STYLE  a stylesheet to be shown with the page, such as Bootstrap 3's
 */

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Pairing;

require __DIR__ . '/kernel.php';

if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) !== '/admin/addonmodules.php') {
    http_response_code(404);
    return true;
}
session_start();
[$session, $method, $get, $post] = [$_SESSION, $_SERVER['REQUEST_METHOD'], $_GET, $_POST];
putenv('TURNPIKE_TEST_MYSQL=');
Kernel::boot();
$encoded = static function (array $values) use (&$encoded): array {
    return array_map(static function ($value) use ($encoded) {
        return is_array($value) ? $encoded($value) : Kernel::typed((string) $value);
    }, $values);
};
[$_SESSION, $_SERVER['REQUEST_METHOD'], $_GET, $_POST] = [$session, $method, $encoded($get), $encoded($post)];
Capsule::table('tbladminroles')->insert(['id' => 1, 'name' => 'Full Administrator']);
Capsule::table('tbladmins')->insert(['id' => 5, 'username' => 'grace', 'roleid' => 1]);
Capsule::table('tblproducts')->insert(['id' => 9, 'name' => 'VPS Basic', 'servertype' => 'solusvm']);
Capsule::table('tblhosting')->insert(['id' => 500, 'userid' => 12, 'packageid' => 9, 'domain' => 'vps1.example.net']);
$_SESSION['adminid'] = 5;
Pairing::fromCode((string) getenv('TURNPIKE_SITE_CODE'))->store();
ob_start();
turnpike_output(['modulelink' => 'addonmodules.php?module=turnpike', 'version' => '0.1.0',
    'edit_roles' => (string) getenv('TURNPIKE_SITE_ROLES')]);
$page = ob_get_clean();
$style = (string) getenv('TURNPIKE_SITE_STYLE');
$style = $style === '' ? '' : '<style>' . file_get_contents($style) . 'body{padding:15px}</style>';
header('Content-Type: text/html; charset=utf-8');
header("Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'");
echo '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>WHMCS</title>'
    . "<meta name=\"viewport\" content=\"width=device-width\">$style</head><body><h1>Turnpike</h1>$page</body></html>";
return true;
