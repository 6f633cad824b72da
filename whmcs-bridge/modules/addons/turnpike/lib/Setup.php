<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Module;
use WHMCS\Module\Server\Turnpike\ModuleLog;
use WHMCS\Module\Server\Turnpike\Renewals;
use WHMCS\Module\Server\Turnpike\Resets;

/**
 * Activation and upgrade: our tables and the e-mail templates, each only where it is missing.
 */
final class Setup
{
    /**
     * @param string $said what to tell when it worked
     * @return array{status: string, description: string}
     */
    public static function activate(string $said): array
    {
        try {
            Outbox::install();
            Facts::install();
            Resets::install();
            Renewals::install();
        } catch (\Throwable $cause) {
            ModuleLog::defect('activate', $cause, []);
            Module::note('the tables mod_turnpike_mails, mod_turnpike_facts, mod_turnpike_resets and'
                . ' mod_turnpike_renewals could not be created: ' . get_class($cause));
            return [
                'status' => 'error',
                'description' => 'The tables mod_turnpike_mails, mod_turnpike_facts, mod_turnpike_resets and'
                    . ' mod_turnpike_renewals could not be created. May the WHMCS database user create tables? Correct'
                    . ' that and activate again.',
            ];
        }
        try {
            Templates::install();
        } catch (\Throwable $cause) {
            ModuleLog::defect('activate', $cause, []);
            $said = trim("$said The e-mail templates could not be created; the Module Log says why. Create product"
                . ' templates of your own, or activate again.');
        }
        return ['status' => 'success', 'description' => $said];
    }
}
