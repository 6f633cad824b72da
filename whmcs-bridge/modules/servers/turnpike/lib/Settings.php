<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The product's settings.
 *
 * WHMCS stores them by position (`configoption1` to `24`), so this order is frozen: a changed order would silently
 * give every saved product the neighbour's value. Turnpike gets them by name.
 */
final class Settings
{
    public const NAMES = [
        'plan',
        'profile',
        'ppp_service',
        'download_mbps',
        'upload_mbps',
        'traffic_gb_one_time',
        'traffic_gb_monthly',
        'traffic_gb_quarterly',
        'traffic_gb_semi_annually',
        'traffic_gb_annually',
        'traffic_gb_biennially',
        'traffic_gb_triennially',
        'history_days',
        'threshold_gb',
        'threshold_template',
        'suspension_template',
        'instruction_url',
        'support_pptp',
        'support_l2tp',
        'l2tp_psk',
        'collect',
        'username_rule',
        'password_rule',
        'comment_prefix',
    ];

    /**
     * WHMCS gives a product 24 fields, and they are taken. These two are the addon's instead, for all products; a
     * configurable option of the name is for one.
     */
    public const LETTERS = ['slowed_template' => 'slowed', 'restored_template' => 'restored'];

    /** Configurable options under these names are sent too; others are none of ours. */
    private const MORE_OPTIONS = ['traffic_gb', 'slowed_template', 'restored_template'];

    /** What differs from a plain text field. */
    private const FIELDS = [
        'plan' => ['Loader' => 'turnpike_LoadPlans', 'SimpleMode' => true],
        'profile' => ['Loader' => 'turnpike_LoadProfiles', 'Default' => 'default', 'SimpleMode' => true],
        'ppp_service' => ['Type' => 'dropdown', 'Options' => 'any,async,l2tp,ovpn,pppoe,pptp,sstp', 'Default' => 'any'],
        'download_mbps' => ['Size' => '10', 'Default' => '10', 'SimpleMode' => true],
        'upload_mbps' => ['Size' => '10', 'Default' => '10', 'SimpleMode' => true],
        'traffic_gb_one_time' => ['Size' => '10'],
        'traffic_gb_monthly' => ['Size' => '10', 'SimpleMode' => true],
        'traffic_gb_quarterly' => ['Size' => '10'],
        'traffic_gb_semi_annually' => ['Size' => '10'],
        'traffic_gb_annually' => ['Size' => '10', 'SimpleMode' => true],
        'traffic_gb_biennially' => ['Size' => '10'],
        'traffic_gb_triennially' => ['Size' => '10'],
        'history_days' => ['Size' => '10', 'Default' => '32'],
        'threshold_gb' => ['Size' => '10', 'SimpleMode' => true],
        'instruction_url' => ['Size' => '50', 'SimpleMode' => true],
        'support_pptp' => ['Type' => 'yesno'],
        'support_l2tp' => ['Type' => 'yesno', 'SimpleMode' => true],
        'l2tp_psk' => ['SimpleMode' => true],
        'collect' => ['Type' => 'dropdown', 'Options' => 'daily,cron', 'Default' => 'daily'],
        'username_rule' => ['Default' => '{client_id}-{service_id}'],
        'comment_prefix' => ['Size' => '10', 'Default' => 'WHMCS'],
    ];

    /**
     * `ConfigOptions`: names, labels and kinds, in the frozen order.
     *
     * @return array<string, array<string, mixed>>
     */
    public static function fields(Lang $lang): array
    {
        $fields = [];
        foreach (self::NAMES as $name) {
            $fields[$name] = (self::FIELDS[$name] ?? []) + ['Type' => 'text'] + [
                'FriendlyName' => $lang->get("setting_$name"),
                'Description' => $lang->get("setting_{$name}_help"),
            ];
            if ($fields[$name]['Type'] === 'text') {
                $fields[$name] += ['Size' => '25'];
            }
        }
        return $fields;
    }

    /**
     * The saved values by name.
     *
     * @param array<mixed> $params
     * @return array<string, string>
     */
    public static function values(array $params): array
    {
        $values = [];
        foreach (self::NAMES as $index => $name) {
            $values[$name] = Text::decode($params['configoption' . ($index + 1)] ?? '');
        }
        return $values;
    }

    /**
     * The letters that the addon's settings name; until those were saved once, the built-in ones.
     *
     * @return array<string, string>
     */
    public static function letters(): array
    {
        $saved = Capsule::table('tbladdonmodules')->where('module', 'turnpike')
            ->whereIn('setting', array_keys(self::LETTERS))->pluck('value', 'setting')->all();
        $named = [];
        foreach (self::LETTERS as $name => $builtIn) {
            $named[$name] = trim(Text::decode($saved[$name] ?? $builtIn));
        }
        return $named;
    }

    /**
     * The customer's configurable options that bear our names. `value|Label` stands for the value, in the option's
     * name as in the choice.
     *
     * @param mixed $chosen `$params['configoptions']`
     * @return array<string, string>
     */
    public static function options($chosen): array
    {
        $options = [];
        foreach (is_array($chosen) ? $chosen : [] as $name => $value) {
            $name = strtolower(trim(explode('|', Text::decode($name), 2)[0]));
            if (in_array($name, self::NAMES, true) || in_array($name, self::MORE_OPTIONS, true)) {
                $options[$name] = trim(explode('|', Text::decode($value), 2)[0]);
            }
        }
        return $options;
    }
}
