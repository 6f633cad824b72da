<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\View\Menu\Item;

/**
 * Pages to stand the modules' output in, made for these tests; WHMCS's own themes are not here. They have what the
 * modules lean on in those: Bootstrap 4.5.3, Font Awesome 5.10.1 and jQuery 1.12.4 as Twenty-One and Nexus do,
 * Bootstrap 3.4.1 as Six and the admin area do, and a copy button that works as theirs (theme/theme.js).
 *
 * The header `X-Theme: six` asks for the client area in Bootstrap 3.
 */
final class Theme
{
    /** What pages may load of the packages, by the name they load it by. */
    private const PACKAGES = [
        'bootstrap.css' => 'bootstrap/dist/css/bootstrap.min.css',
        'bootstrap.js' => 'bootstrap/dist/js/bootstrap.bundle.min.js',
        'bootstrap-3.css' => 'bootstrap-3/dist/css/bootstrap.min.css',
        'bootstrap-3.js' => 'bootstrap-3/dist/js/bootstrap.min.js',
        'jquery.js' => 'jquery/dist/jquery.min.js',
        'icons/css/all.css' => '@fortawesome/fontawesome-free/css/all.min.css',
        'icons/webfonts/fa-solid-900.woff2' => '@fortawesome/fontawesome-free/webfonts/fa-solid-900.woff2',
        'icons/webfonts/fa-regular-400.woff2' => '@fortawesome/fontawesome-free/webfonts/fa-regular-400.woff2',
    ];

    private const TYPES = ['css' => 'text/css', 'js' => 'text/javascript', 'woff2' => 'font/woff2'];

    /** Sends a file that a page loads; false when there is none at this path. */
    public static function file(string $path): bool
    {
        $packaged = self::PACKAGES[substr($path, strlen('/packages/'))] ?? '';
        if ($packaged !== '') {
            $file = getenv('TURNPIKE_SITE_PACKAGES') . "/$packaged";
        } elseif (preg_match('~^/(theme/theme|modules/servers/turnpike/assets/turnpike)\.(css|js)$~', $path) === 1) {
            $file = strncmp($path, '/theme', 6) === 0 ? __DIR__ . $path : dirname(Kernel::MODULES) . $path;
        } else {
            return false;
        }
        if (!is_file($file)) {
            return false;
        }
        header('Content-Type: ' . self::TYPES[pathinfo($file, PATHINFO_EXTENSION)]);
        header('Cache-Control: max-age=600');
        readfile($file);
        return true;
    }

    /** What a page may load and do; a bare one nothing. jQuery 1.12 tries inline handlers to know its browser. */
    public static function policy(): string
    {
        return self::isDressed()
            ? "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline';"
                . " font-src 'self'; img-src data:; form-action 'self'; base-uri 'none'"
            : "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    }

    /** The admin area. */
    public static function admin(string $title, string $inside): string
    {
        $bar = self::isDressed() ? '<nav class="navbar navbar-inverse navbar-static-top"><div class="container-fluid">'
            . '<span class="navbar-brand">Billing</span></div></nav>' : '';
        return self::page(true, "$title - WHMCS", "$bar<div class=\"container-fluid\"><h1>$title</h1>$inside</div>");
    }

    /** A product's page in the client area. */
    public static function client(string $name, string $status, string $above, string $inside, Item $sidebar): string
    {
        $isOld = ($_SERVER['HTTP_X_THEME'] ?? '') === 'six';
        [$name, $status] = [self::html($name), self::html($status)];
        $crumbs = '<nav aria-label="breadcrumb"><ol class="breadcrumb"><li class="breadcrumb-item">'
            . '<a href="clientarea.php">Client area</a></li>'
            . '<li class="breadcrumb-item active" aria-current="page">Product details</li></ol></nav>';
        $facts = "<dl class=\"mb-0\"><dt>Status</dt><dd>$status</dd></dl>";
        $menu = self::menu($sidebar);
        if ($isOld) {
            $tab = '<ul class="nav nav-tabs"><li class="active"><a href="#tabOverview">Manage</a></li></ul>'
                . '<div class="tab-content product-details-tab-container" id="tabOverview">'
                . "<div class=\"text-center module-client-area\">$inside</div></div>";
            $main = "<div class=\"panel panel-default\"><div class=\"panel-body\">$facts</div></div>$above"
                . ($inside === '' ? '' : $tab);
            $page = "<div class=\"container\">$crumbs<div class=\"row\"><div class=\"col-md-3\">$menu</div>"
                . "<main class=\"col-md-9\"><h1>$name</h1>$main</main></div></div>";
            return self::page(true, "$name - Client area", $page);
        }
        $tab = "<div class=\"card\"><div class=\"card-body\"><ul class=\"nav nav-tabs\"><li class=\"nav-item\">"
            . '<a class="nav-link active" href="#tabOverview">Manage</a></li></ul>'
            . '<div class="tab-content product-details-tab-container" id="tabOverview">'
            . "<div class=\"text-center module-client-area\">$inside</div></div></div></div>";
        $main = "<div class=\"card mb-3\"><div class=\"card-body\">$facts</div></div>$above"
            . ($inside === '' ? '' : $tab);
        $page = '<div class="navbar navbar-light bg-white"><div class="container"><span class="navbar-brand">Billing'
            . "</span></div></div>$crumbs<div class=\"container\"><div class=\"row\"><div class=\"col-lg-4 col-xl-3\">"
            . "$menu</div><main class=\"col-lg-8 col-xl-9\"><h1>$name</h1>$main</main></div></div>";
        return self::page(false, "$name - Client area", $page);
    }

    /** The sidebar's panels, with the classes of both Bootstraps. */
    private static function menu(Item $sidebar): string
    {
        $panels = '';
        foreach ($sidebar->children as $panel) {
            $links = '';
            foreach ($panel->children as $item) {
                $links .= '<a class="list-group-item list-group-item-action' . ($item->isCurrent ? ' active' : '')
                    . '" href="' . self::html($item->options['uri']) . '">' . self::html($item->options['label'])
                    . '</a>';
            }
            $icon = '<i class="' . self::html($panel->options['icon']) . '" aria-hidden="true"></i>&nbsp;';
            $panels .= '<div class="card panel panel-default card-sidebar mb-3"><div class="card-header panel-heading">'
                . "<h2 class=\"card-title panel-title h5 m-0\">$icon" . self::html($panel->options['label'])
                . "</h2></div><div class=\"list-group list-group-flush\">$links</div></div>";
        }
        return $panels;
    }

    private static function page(bool $isOld, string $title, string $body): string
    {
        $head = '';
        if (self::isDressed()) {
            $bootstrap = $isOld ? 'bootstrap-3' : 'bootstrap';
            foreach (["packages/$bootstrap.css", 'packages/icons/css/all.css', 'theme/theme.css'] as $file) {
                $head .= "<link rel=\"stylesheet\" href=\"/billing/$file\">";
            }
            foreach (['packages/jquery.js', "packages/$bootstrap.js", 'theme/theme.js'] as $file) {
                $body .= "<script src=\"/billing/$file\"></script>";
            }
            $head .= '<link rel="icon" href="data:,">';
        }
        return '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>' . self::html($title) . '</title>'
            . '<meta name="viewport" content="width=device-width, initial-scale=1">'
            . "$head</head><body>$body</body></html>";
    }

    private static function isDressed(): bool
    {
        return (string) getenv('TURNPIKE_SITE_PACKAGES') !== '';
    }

    private static function html(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }
}
