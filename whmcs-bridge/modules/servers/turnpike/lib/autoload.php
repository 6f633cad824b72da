<?php

/**
 * Finds the classes of both modules, server and addon.
 *
 * WHMCS documents an autoloader of its own for these namespaces; this one is asked only where that one does not look
 * (the addon's cron hook uses classes of the server module).
 */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    $homes = [
        'WHMCS\\Module\\Server\\Turnpike\\' => __DIR__,
        'WHMCS\\Module\\Addon\\Turnpike\\' => dirname(__DIR__, 3) . '/addons/turnpike/lib',
    ];
    foreach ($homes as $prefix => $folder) {
        $name = strncmp($class, $prefix, strlen($prefix)) === 0 ? substr($class, strlen($prefix)) : '';
        if (preg_match('/^[A-Za-z]+$/', $name) === 1 && is_file("$folder/$name.php")) {
            require_once "$folder/$name.php";
        }
    }
});
