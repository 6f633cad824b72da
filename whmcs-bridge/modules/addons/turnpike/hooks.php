<?php

/**
 * Turnpike's hooks. WHMCS loads this file on every page, so nothing is done here but naming them, nothing here can
 * end a page, and none of them uses the network outside the cron, module commands and the payment of a reset.
 */

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

foreach (
    ['AfterCronJob', 'ClientAreaPrimarySidebar', 'ClientAreaProductDetailsOutput', 'EmailPreSend',
        'EmailTplMergeFields', 'AdminHomeWidgets', 'PreModuleCreate', 'ServiceDelete', 'InvoicePaid'] as $turnpikePoint
) {
    add_hook($turnpikePoint, 1, static function ($given = null) use ($turnpikePoint) {
        try {
            require_once dirname(__DIR__, 2) . '/servers/turnpike/lib/autoload.php';
            return \WHMCS\Module\Addon\Turnpike\Hooks::run($turnpikePoint, $given);
        } catch (\Throwable $cause) {
            if (function_exists('logActivity')) {
                logActivity("Turnpike: $turnpikePoint failed (" . get_class($cause) . '); is the module complete?');
            }
            return null;
        }
    });
}
unset($turnpikePoint);
