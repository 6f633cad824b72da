<?php

/**
 * Turnpike: VPN accounts on MikroTik routers, as a WHMCS provisioning module.
 *
 * Only names are here; the work is in lib/. Function names share one space with the addon of the same name and PHP
 * does not tell upper from lower case in them, so the addon has no `turnpike_clientarea`.
 */

declare(strict_types=1);

use WHMCS\Module\Server\Turnpike\AdminTab;
use WHMCS\Module\Server\Turnpike\Module;

// phpcs:disable PSR1.Files.SideEffects -- WHMCS wants each module file to refuse direct calls
if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/lib/autoload.php';
// phpcs:enable PSR1.Files.SideEffects

function turnpike_MetaData()
{
    return Module::metaData();
}

function turnpike_ConfigOptions($params = [])
{
    return Module::configOptions();
}

function turnpike_LoadPlans($params = [])
{
    return Module::loadPlans($params);
}

function turnpike_LoadProfiles($params = [])
{
    return Module::loadProfiles($params);
}

function turnpike_TestConnection($params = [])
{
    return Module::testConnection($params);
}

function turnpike_CreateAccount($params = [])
{
    return Module::createAccount($params);
}

function turnpike_SuspendAccount($params = [])
{
    return Module::suspendAccount($params);
}

function turnpike_UnsuspendAccount($params = [])
{
    return Module::unsuspendAccount($params);
}

function turnpike_TerminateAccount($params = [])
{
    return Module::terminateAccount($params);
}

function turnpike_Renew($params = [])
{
    return Module::renew($params);
}

function turnpike_ChangePackage($params = [])
{
    return Module::changePackage($params);
}

function turnpike_ChangePassword($params = [])
{
    return Module::changePassword($params);
}

function turnpike_UsageUpdate($params = [])
{
    return Module::usageUpdate($params);
}

function turnpike_ClientArea($params = [])
{
    return Module::clientArea($params);
}

/** Nothing can be called by a customer's address bar; the pages are chosen in ClientArea from a fixed list. */
function turnpike_ClientAreaAllowedFunctions($params = [])
{
    return [];
}

function turnpike_AdminCustomButtonArray($params = [])
{
    return AdminTab::buttons();
}

function turnpike_ResetConnection($params = [])
{
    return Module::button('disconnect', $params);
}

function turnpike_CollectNow($params = [])
{
    return Module::button('usage-update', $params);
}

function turnpike_Reapply($params = [])
{
    return Module::button('create', $params);
}

function turnpike_Block($params = [])
{
    return Module::button('admin-block', $params);
}

function turnpike_Unblock($params = [])
{
    return Module::button('admin-unblock', $params);
}

function turnpike_ResetDay($params = [])
{
    return Module::button('fup-reset', $params);
}

function turnpike_AdminServicesTabFields($params = [])
{
    return AdminTab::fields($params);
}

function turnpike_AdminServicesTabFieldsSave($params = [])
{
    return AdminTab::save($params);
}

function turnpike_MetricProvider($params = [])
{
    return Module::metricProvider($params);
}

function turnpike_ListAccounts($params = [])
{
    return Module::listAccounts($params);
}
