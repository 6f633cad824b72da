<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Effects;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;
use WHMCS\Module\Server\Turnpike\Lang;
use WHMCS\Module\Server\Turnpike\Page;
use WHMCS\Module\Server\Turnpike\Sold;

/**
 * Merge fields for WHMCS's product mails, from WHMCS's own data and what is stored; a mail never waits for a network.
 */
final class Mails
{
    /** For services of ours. */
    private const VPN = ['server_address', 'vpn_protocols', 'vpn_l2tp_psk', 'vpn_instruction_url', 'vpn_download',
        'vpn_upload', 'traffic_balance_gb', 'traffic_billingcycle_gb'];

    /** Only with mails that Turnpike hands out. */
    private const HANDED = ['notification_traffic_remainder', 'next_due_date', 'username'];

    /** Only with those of a service on a plan; empty with all others, so that one template serves both. */
    private const PLAN = ['plan_name', 'current_download_speed', 'current_upload_speed', 'full_download_speed',
        'full_upload_speed', 'speed_reason', 'fup_level', 'blocking_quota', 'full_quota_too', 'used_today_gb',
        'used_cycle_gb', 'resets_at'];

    /**
     * `EmailPreSend`: what to add to a mail. What the mail brings along itself stays as it is.
     *
     * @param array<mixed> $vars
     * @return array<string, bool|string>
     */
    public static function fields(array $vars): array
    {
        $serviceId = is_scalar($vars['relid'] ?? null) ? (int) $vars['relid'] : 0;
        $name = $vars['messagename'] ?? null;
        // the number is a service's in product mails alone; elsewhere it is an invoice, a ticket, a domain
        $isProduct = is_string($name) && $serviceId > 0
            && Capsule::table('tblemailtemplates')->where('type', 'product')->where('name', $name)->exists();
        if (!$isProduct) {
            return [];
        }
        $facts = Facts::of($serviceId);
        $netflow = $facts['netflow']['mail'] ?? null;
        $isDead = in_array(self::status($serviceId), ['Terminated', 'Cancelled', 'Fraud'], true);
        $fields = is_array($netflow) && !$isDead ? $netflow : ['netflow_enabled' => false];
        if (Effects::isOurs($serviceId)) {
            $fields += self::vpn($serviceId, $facts) + array_fill_keys(self::PLAN, '');
        }
        $brought = is_array($vars['mergefields'] ?? null) ? $vars['mergefields'] : [];
        return array_filter($fields, static function (string $name) use ($brought): bool {
            return !isset($brought[$name]) || $brought[$name] === '';
        }, ARRAY_FILTER_USE_KEY);
    }

    /**
     * `EmailTplMergeFields`: the same, as the template editor lists them.
     *
     * @param mixed $type
     * @return array<string, string>
     */
    public static function listed($type): array
    {
        if ($type !== 'product') {
            return [];
        }
        $lang = Lang::ofAdmin();
        $listed = [];
        foreach (array_merge(self::VPN, self::HANDED, self::PLAN, Netflow::FIELDS) as $name) {
            $listed[$name] = $lang->get("merge_$name");
        }
        return $listed;
    }

    /**
     * @param array<string, mixed> $facts
     * @return array<string, string>
     */
    private static function vpn(int $serviceId, array $facts): array
    {
        $sold = Sold::ofService($serviceId);
        $fact = static function (string $name, string $otherwise) use ($facts): string {
            return is_string($facts[$name] ?? null) && $facts[$name] !== '' ? $facts[$name] : $otherwise;
        };
        $protocols = is_array($facts['protocols'] ?? null) ? array_filter($facts['protocols'], 'is_string') : [];
        $lang = new Lang(self::language($serviceId));
        $fields = [
            'server_address' => $fact('server_address', $sold['server_address']),
            'vpn_protocols' => $protocols === [] ? $sold['protocols'] : implode(', ', $protocols),
            'vpn_l2tp_psk' => $fact('l2tp_psk', $sold['l2tp_psk']),
            'vpn_instruction_url' => Page::link($fact('instruction_url', $sold['instruction_url'])),
        ];
        foreach (['download', 'upload'] as $way) {
            $kbps = $facts["{$way}_kbps"] ?? null;
            $fields["vpn_$way"] = !is_int($kbps) ? ''
                : ($kbps === 0 ? $lang->get('unlimited') : Figures::number($kbps / 1000) . ' Mbit/s');
        }
        $gigabyte = Figures::gigabyte($facts['bytes_per_gb'] ?? null);
        $amounts = ['traffic_balance_gb' => 'balance_bytes', 'traffic_billingcycle_gb' => 'next_cycle_bytes'];
        foreach ($amounts as $field => $name) {
            $bytes = $facts[$name] ?? null;
            $fields[$field] = is_int($bytes) ? number_format($bytes / $gigabyte, 4, '.', '') : '';
        }
        return $fields;
    }

    private static function status(int $serviceId): string
    {
        return (string) Capsule::table('tblhosting')->where('id', $serviceId)->value('domainstatus');
    }

    private static function language(int $serviceId): string
    {
        $client = Capsule::table('tblhosting')->where('id', $serviceId)->value('userid');
        $own = (string) Capsule::table('tblclients')->where('id', $client)->value('language');
        return strtolower($own !== '' ? $own : (string) ($GLOBALS['CONFIG']['Language'] ?? ''));
    }
}
