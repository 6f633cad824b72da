<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\AbstractWidget;
use WHMCS\Module\Server\Turnpike\Breaker;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;
use WHMCS\Module\Server\Turnpike\Lang;

/**
 * Turnpike on the admin's home page: figures that are stored here, with their age. It asks nobody.
 */
final class Widget extends AbstractWidget
{
    /** @var string */
    protected $title = 'Turnpike VPN';

    /** @var string */
    protected $description = 'VPN accounts, blocked ones, this month\'s traffic, and how WHMCS and Turnpike stand.';

    /** @var int */
    protected $weight = 150;

    /** @var int */
    protected $columns = 1;

    /** @var bool */
    protected $cache = true;

    /** @var int minutes */
    protected $cacheExpiry = 5;

    /** @var string */
    protected $requiredPermission = 'View Clients Products/Services';

    /**
     * @return array<string, int|string>
     */
    public function getData()
    {
        $active = Capsule::table('tblhosting')->join('tblproducts', 'tblproducts.id', '=', 'tblhosting.packageid')
            ->where('tblproducts.servertype', 'turnpike')->where('tblhosting.domainstatus', 'Active')
            ->pluck('tblhosting.id')->all();
        $data = ['active' => count($active), 'blocked' => 0, 'used_up' => 0, 'bytes' => 0, 'heard' => 0];
        $data['gigabyte'] = Figures::GIGABYTE;
        foreach (array_intersect_key(Facts::all(), array_flip($active)) as $facts) {
            $data['blocked'] += ($facts['enabled'] ?? true) === false ? 1 : 0;
            $data['used_up'] += is_int($facts['balance_bytes'] ?? null) && $facts['balance_bytes'] <= 0 ? 1 : 0;
            if (isset($facts['last_reading_at']) && strncmp($facts['last_reading_at'], gmdate('Y-m'), 7) === 0) {
                $month = is_array($facts['month'] ?? null) ? $facts['month'] : [];
                $data['bytes'] += (int) ($month['download_bytes'] ?? 0) + (int) ($month['upload_bytes'] ?? 0);
            }
            $data['heard'] = max($data['heard'], $facts['updated_at']);
            $data['gigabyte'] = isset($facts['bytes_per_gb']) ? Figures::gigabyte($facts['bytes_per_gb'])
                : $data['gigabyte'];
        }
        $trouble = explode('|', (string) Capsule::table('tbladdonmodules')->where('module', 'turnpike')
            ->where('setting', 'cron_trouble')->value('value'));
        $data['trouble'] = $trouble[0];
        $data['down_since'] = Breaker::openSince();
        return $data;
    }

    /**
     * @param array<string, int|string> $data
     */
    public function generateOutput($data)
    {
        $lang = Lang::ofAdmin();
        $rows = [
            'active' => (string) $data['active'],
            'blocked' => (string) $data['blocked'],
            'used_up' => (string) $data['used_up'],
            'month' => Figures::gigabytes((int) $data['bytes'], (int) $data['gigabyte']),
            'heard' => $data['heard'] > 0 ? Figures::moment((int) $data['heard']) : $lang->get('widget_never'),
        ];
        $html = '';
        foreach ($rows as $name => $value) {
            $html .= '<tr><th scope="row">' . self::escaped($lang->get("widget_$name")) . '</th><td>'
                . self::escaped($value) . '</td></tr>';
        }
        $state = '';
        if ($data['down_since'] > 0 || $data['trouble'] !== '') {
            $says = $lang->get('widget_trouble', $data['trouble'] !== '' ? (string) $data['trouble'] : 'unreachable');
            $state = '<div class="alert alert-warning" role="status">' . self::escaped($says) . '</div>';
        }
        return '<div class="widget-content-padded">' . $state . '<table class="table table-condensed">' . $html
            . '</table><a href="addonmodules.php?module=turnpike">' . self::escaped($lang->get('widget_open'))
            . '</a></div>';
    }

    private static function escaped(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }
}
