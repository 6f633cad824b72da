<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Effects;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Lang;
use WHMCS\Module\Server\Turnpike\Page;
use WHMCS\Module\Server\Turnpike\Params;
use WHMCS\Module\Server\Turnpike\Permits;

/**
 * Network Usage on the page of a service of another module, such as a server or a VPS, from what is stored. Services
 * of ours have it on their own page.
 */
final class NetflowBox
{
    /**
     * @param mixed $service WHMCS\Service\Service
     */
    public static function html($service): string
    {
        $id = is_object($service) && isset($service->id) ? (int) $service->id : 0;
        $shown = $id > 0 ? (Facts::of($id)['netflow']['client'] ?? []) : [];
        if (($shown['visible'] ?? false) !== true || Effects::isOurs($id)) {
            return '';
        }
        if (Capsule::table('tblhosting')->where('id', $id)->value('domainstatus') !== 'Active') {
            return '';
        }
        $lang = Lang::ofClient([]);
        if (!Permits::of(Params::clientOf($id))['secrets']) {
            unset($shown['password']);
        }
        $rows = '';
        foreach (['username', 'password', 'group', 'ip_address'] as $name) {
            if (is_string($shown[$name] ?? null) && $shown[$name] !== '') {
                $value = self::escaped($shown[$name]);
                $label = self::escaped($lang->get("netflow_$name"));
                if ($name === 'password') {
                    $show = self::escaped($lang->get('show')) . "<span class=\"sr-only\"> $label</span>";
                    $value = "<details>"
                        . "<summary style=\"display:list-item;cursor:pointer\">$show</summary>$value</details>";
                }
                $rows .= "<dt>$label</dt><dd>$value</dd>";
            }
        }
        $url = Page::link($shown['url'] ?? '');
        $button = $url === '' ? '' : '<p><a class="btn btn-default" target="_blank" rel="noopener noreferrer" href="'
            . self::escaped($url) . '">' . self::escaped($lang->get('netflow_open')) . '</a></p>';
        return '<div class="card panel panel-default mb-3"><div class="card-header panel-heading">'
            . '<h3 class="card-title panel-title h5 m-0">' . self::escaped($lang->get('network_usage')) . '</h3></div>'
            . "<div class=\"card-body panel-body\">$button<dl>$rows</dl></div></div>";
    }

    private static function escaped(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }
}
