<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The drop-downs of the product's settings that Turnpike fills: plans and PPP profiles.
 */
final class DropDowns
{
    /** @var array<string, Answer> answers of `options` in this page view: two drop-downs ask the same */
    private static $drawn = [];

    /**
     * The plans for the product's drop-down; the first one stands for none.
     *
     * @param mixed $params
     * @return array<string, string>
     * @throws \Exception WHMCS shows its message beside the field
     */
    public static function plans($params): array
    {
        $offered = self::withSaved('plan', 'LoadPlans', $params, static function (Answer $answer): array {
            $plans = $answer->texts('plans');
            return array_combine($plans, $plans);
        });
        return ['' => Lang::ofAdmin()->get('no_plan')] + $offered;
    }

    /**
     * The router's PPP profiles for the product's drop-down; the first one is what an empty field stands for. A warning
     * that the router could not be asked stands beside each: an exception would take the list away.
     *
     * @param mixed $params
     * @return array<string, string>
     * @throws \Exception WHMCS shows its message beside the field
     */
    public static function profiles($params): array
    {
        $warning = '';
        $choose = static function (Answer $answer, array $body) use (&$warning): array {
            $profiles = $answer->texts('profiles');
            $warning = isset($body['server']) ? Text::sentence($answer->get('warning'))
                : 'choose a server group with a Turnpike server in it';
            if ($profiles === []) {
                throw new SidecarError(
                    'no-profiles',
                    isset($body['server']) && $warning !== '' ? $warning : 'Turnpike knows no PPP profile yet: choose a'
                    . ' server group with a Turnpike server in it, and press Test Connection on that server'
                );
            }
            return array_combine($profiles, $profiles);
        };
        $offered = self::withSaved('profile', 'LoadProfiles', $params, $choose);
        $offered = array_replace(['default' => 'default'], $offered);
        if ($warning !== '') {
            $lang = Lang::ofAdmin();
            foreach (array_keys($offered) as $profile) {
                $offered[$profile] = $lang->get('profile_unsure', (string) $profile, $warning);
            }
        }
        return $offered;
    }

    /**
     * What Turnpike offers for a setting, and what products have saved for it, marked where that is not offered. Of a
     * list without it the browser would choose another value, and saving the product for its price would change it.
     *
     * @param mixed $params
     * @param callable(Answer, array<string, mixed>): array<string, string> $choose
     * @return array<string, string>
     * @throws \Exception when there is nothing to show
     */
    private static function withSaved(string $setting, string $name, $params, callable $choose): array
    {
        $saved = self::saved($setting, $name);
        $isSilent = false;
        try {
            $offered = self::load($name, $params, $choose);
        } catch (\Exception $silent) {
            if ($saved === []) {
                throw $silent;
            }
            $isSilent = true;
            $offered = [];
        }
        $lang = Lang::ofAdmin();
        foreach (array_diff($saved, array_keys($offered)) as $value) {
            $offered[$value] = $lang->get($isSilent ? "{$setting}_saved" : "{$setting}_gone", $value);
        }
        return $offered;
    }

    /**
     * What our products have saved for a setting, whatever server they are of.
     *
     * @return string[]
     */
    private static function saved(string $setting, string $name): array
    {
        try {
            $field = 'configoption' . (array_search($setting, Settings::NAMES, true) + 1);
            $named = Capsule::table('tblproducts')->where('servertype', 'turnpike')->distinct()->pluck($field)->all();
            $named = array_map([Text::class, 'decode'], $named);
            sort($named);
            return array_values(array_filter(array_unique($named), 'strlen'));
        } catch (\Throwable $cause) {
            ModuleLog::defect($name, $cause, []);
            return [];
        }
    }

    /**
     * @param mixed $params
     * @param callable(Answer, array<string, mixed>): array<string, string> $choose
     * @return array<string, string>
     * @throws \Exception
     */
    private static function load(string $name, $params, callable $choose): array
    {
        try {
            $body = Params::serverBody(Module::given($params));
            if ($body['server'] === null) {
                unset($body['server']);
            }
            $key = md5((string) json_encode($body));
            if (!isset(self::$drawn[$key])) {
                self::$drawn[$key] = Module::sidecar()->page('options', $body, Sidecar::TEST_MS);
            }
            return $choose(self::$drawn[$key], $body);
        } catch (\Throwable $cause) {
            throw new \Exception(Module::error($name, $cause, $params)->forAdmin());
        }
    }
}
