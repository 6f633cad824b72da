<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * What a customer needs to connect, from WHMCS's own data: for where Turnpike is not asked or does not answer.
 */
final class Sold
{
    /**
     * @param array<mixed> $params what WHMCS calls a module with
     * @return array{instruction_url: string, server_address: string, protocols: string, l2tp_psk: string}
     */
    public static function of(array $params): array
    {
        // as Turnpike reads them: an option that is blank says nothing
        $options = array_filter(Settings::options($params['configoptions'] ?? []), 'strlen');
        $settings = $options + Settings::values($params);
        $isOn = static function (string $name) use ($settings): bool {
            return in_array(strtolower(trim($settings[$name])), ['on', 'yes', 'true', '1'], true);
        };
        $protocols = array_filter(['PPtP' => $isOn('support_pptp'), 'L2TP' => $isOn('support_l2tp')]);
        return [
            'instruction_url' => $settings['instruction_url'],
            'server_address' => Params::server($params)['hostname'] ?? '',
            'protocols' => implode(', ', array_keys($protocols)),
            'l2tp_psk' => $isOn('support_l2tp') ? $settings['l2tp_psk'] : '',
        ];
    }

    /**
     * The same for a service by its number, without its configurable options, which only WHMCS can resolve.
     *
     * @return array{instruction_url: string, server_address: string, protocols: string, l2tp_psk: string}
     */
    public static function ofService(int $serviceId): array
    {
        $service = Capsule::table('tblhosting')->where('id', $serviceId)->first();
        $product = Capsule::table('tblproducts')->where('id', $service->packageid ?? 0)->first();
        return self::of(['serverid' => $service->server ?? 0] + (array) $product);
    }
}
