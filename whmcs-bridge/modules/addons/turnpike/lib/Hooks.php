<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Effects;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Lang;
use WHMCS\Module\Server\Turnpike\Module;
use WHMCS\Module\Server\Turnpike\ModuleLog;
use WHMCS\Module\Server\Turnpike\Resets;

/**
 * What each hook does. Whatever goes wrong in here is logged and leaves WHMCS's page, mail or command as it would be
 * without us.
 */
final class Hooks
{
    /**
     * @param mixed $given what WHMCS calls the hook with
     * @return mixed what WHMCS documents for the hook, or null
     */
    public static function run(string $point, $given)
    {
        try {
            $vars = is_array($given) ? $given : [];
            switch ($point) {
                case 'AfterCronJob':
                    Cron::run();
                    return null;
                case 'ClientAreaPrimarySidebar':
                    self::sidebar($given);
                    return null;
                case 'ClientAreaProductDetailsOutput':
                    return NetflowBox::html($vars['service'] ?? null);
                case 'EmailPreSend':
                    return Mails::fields($vars);
                case 'EmailTplMergeFields':
                    return Mails::listed($vars['type'] ?? null);
                case 'AdminHomeWidgets':
                    return new Widget();
                case 'PreModuleCreate':
                    self::beforeCreate($vars['params'] ?? null);
                    return null;
                case 'InvoicePaid':
                    $invoice = (int) ($vars['invoiceid'] ?? 0);
                    if (Resets::paid($invoice)) {
                        Resets::deliver(true, $invoice);
                    }
                    return null;
                case 'ServiceDelete':
                    Facts::forget((int) ($vars['serviceid'] ?? 0));
                    return null;
            }
        } catch (\Throwable $cause) {
            ModuleLog::defect($point, $cause, []);
            if ($point === 'InvoicePaid') {
                Module::note('a payment could not be looked at (' . get_class($cause) . '); the next cron run does');
            }
            if ($point === 'AfterCronJob') {
                Module::note('the cron run failed (' . get_class($cause) . '); the Module Log says more');
            }
        }
        return null;
    }

    /**
     * Information and Traffic statistics, on the pages of our services alone.
     *
     * @param mixed $sidebar WHMCS\View\Menu\Item
     */
    private static function sidebar($sidebar): void
    {
        $id = self::shownService();
        if ($id === 0 || !is_object($sidebar) || !method_exists($sidebar, 'addChild')) {
            return;
        }
        $lang = Lang::ofClient([]);
        $panel = $sidebar->addChild('Turnpike', [
            'label' => $lang->get('sidebar'),
            'order' => 15,
            'icon' => 'fas fa-shield-alt',
        ]);
        if (!is_object($panel) || !method_exists($panel, 'addChild')) {
            return;
        }
        $isStatistics = ($_GET['customAction'] ?? '') === 'statistics';
        foreach (['information' => '', 'statistics' => '&customAction=statistics'] as $view => $more) {
            $item = $panel->addChild('Turnpike ' . ucfirst($view), [
                'label' => $lang->get("tab_$view"),
                'uri' => "clientarea.php?action=productdetails&id=$id$more",
                'order' => $view === 'information' ? 10 : 20,
            ]);
            if ($isStatistics === ($view === 'statistics') && is_object($item) && method_exists($item, 'setCurrent')) {
                $item->setCurrent(true);
            }
        }
    }

    /** The service whose page this is when it is an active one of ours and of the customer who looks; else 0. */
    private static function shownService(): int
    {
        $id = $_GET['id'] ?? null;
        $isDetails = ($_GET['action'] ?? '') === 'productdetails' && is_string($id) && ctype_digit($id);
        if (!$isDetails || strlen($id) > 10 || !Effects::isOurs((int) $id)) {
            return 0;
        }
        $service = Capsule::table('tblhosting')->where('id', (int) $id)->first();
        $owner = $_SESSION['uid'] ?? null;
        $isOwner = $owner === null || (int) $owner === (int) $service->userid;
        return $isOwner && $service->domainstatus === 'Active' ? (int) $id : 0;
    }

    /**
     * A welcome mail follows a Create of any module: its NetFlow access is read just before.
     *
     * @param mixed $params
     */
    private static function beforeCreate($params): void
    {
        $id = (int) (is_array($params) ? ($params['serviceid'] ?? 0) : 0);
        if ($id > 0 && (int) ($params['addonId'] ?? 0) === 0) {
            Netflow::refresh($id);
        }
    }
}
