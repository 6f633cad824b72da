<?php

/**
 * Turnpike's addon: connects WHMCS with the Turnpike service and carries the cron hook.
 *
 * It shares its name, and so its function names, with the server module; PHP does not tell upper from lower case in
 * them, so there must be no `turnpike_clientarea` here.
 */

declare(strict_types=1);

use WHMCS\Module\Addon\Turnpike\Pages;
use WHMCS\Module\Addon\Turnpike\Setup;

// phpcs:disable PSR1.Files.SideEffects -- WHMCS wants each module file to refuse direct calls
if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once dirname(__DIR__, 2) . '/servers/turnpike/lib/autoload.php';
// phpcs:enable PSR1.Files.SideEffects

function turnpike_config()
{
    return [
        'name' => 'Turnpike',
        'description' => 'Connects WHMCS with Turnpike, the service that keeps VPN accounts on MikroTik routers.',
        'version' => '0.1.0',
        'author' => 'Turnpike',
        'language' => 'english',
        'fields' => [
            'edit_roles' => [
                'FriendlyName' => 'Roles that may change things',
                'Type' => 'text',
                'Size' => '50',
                'Default' => '',
                'Description' => 'Names or numbers of administrator roles, separated by commas; the other roles with'
                    . ' access only look. Empty: every role with access.',
            ],
            'plan_view_roles' => [
                'FriendlyName' => 'Roles that see plans',
                'Type' => 'text',
                'Size' => '50',
                'Default' => '',
                'Description' => 'Plans, FUP Counters and Bandwidth Rules. Empty: every role with access.',
            ],
            'plan_create_roles' => [
                'FriendlyName' => 'Roles that add plans',
                'Type' => 'text',
                'Size' => '50',
                'Default' => '',
                'Description' => 'Add and duplicate. Empty: the roles that may change things.',
            ],
            'plan_edit_roles' => [
                'FriendlyName' => 'Roles that edit plans',
                'Type' => 'text',
                'Size' => '50',
                'Default' => '',
                'Description' => 'Empty: the roles that may change things.',
            ],
            'plan_delete_roles' => [
                'FriendlyName' => 'Roles that delete plans',
                'Type' => 'text',
                'Size' => '50',
                'Default' => '',
                'Description' => 'Empty: the roles that may change things.',
            ],
            'slowed_template' => [
                'FriendlyName' => 'Mail when a plan makes it slower',
                'Type' => 'text',
                'Size' => '25',
                'Default' => 'slowed',
                'Description' => 'Name of the template, for all products; built in: slowed; empty = no mail. A'
                    . ' configurable option named slowed_template is for one product.',
            ],
            'restored_template' => [
                'FriendlyName' => 'Mail when the full speed is back',
                'Type' => 'text',
                'Size' => '25',
                'Default' => 'restored',
                'Description' => 'The same; built in: restored; empty = no mail.',
            ],
        ],
    ];
}

function turnpike_activate()
{
    return Setup::activate('Turnpike is active. Open Addons, Turnpike and paste the code that `turnpike pair` prints.');
}

/**
 * Our tables and the e-mail templates stay. WHMCS itself deletes the addon's settings, the pairing among them; an empty
 * `edit_roles` means every role, so staff are told.
 */
function turnpike_deactivate()
{
    return [
        'status' => 'success',
        'description' => 'Turnpike is off. The accounts on the routers were not touched, and mails, paid resets and'
            . ' renewals that wait are kept. WHMCS has forgotten the pairing and the settings of the addon: after'
            . ' activating it again, give your roles access, name the roles that may change things (empty means every'
            . ' role with access) and the mail templates anew, and paste the code that `turnpike pair` prints.',
    ];
}

function turnpike_upgrade($vars = [])
{
    Setup::activate('');
}

function turnpike_output($vars = [])
{
    Pages::show(is_array($vars) ? $vars : []);
}
