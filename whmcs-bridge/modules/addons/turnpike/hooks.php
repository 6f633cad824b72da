<?php

/**
 * Turnpike's hooks. WHMCS loads this file on every page, so nothing is done here but naming them, nothing here can
 * end a page, and none of them uses the network outside the cron.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

add_hook('AfterCronJob', 1, static function (): void {
    try {
        require_once dirname(__DIR__, 2) . '/servers/turnpike/lib/autoload.php';
        \WHMCS\Module\Addon\Turnpike\Cron::run();
    } catch (\Throwable $cause) {
        if (function_exists('logActivity')) {
            logActivity('Turnpike: the cron hook failed (' . get_class($cause) . '); is the module complete?');
        }
    }
});
