<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The few things that customers may do to their account, from a fixed list, by POST only.
 *
 * A form carries a key that the session knows and that counts once. It proves that the form is ours (an address alone
 * does nothing), and a second press, or a page loaded again, finds it used and does nothing. All forms of a page have
 * the same key: once one was sent, the others have expired. WHMCS calls this only for a service of the customer who is
 * logged in.
 */
final class ClientActions
{
    public const DISCONNECT = 'disconnect';
    public const NEW_PASSWORD = 'new_password';
    public const RESET_DAY = 'reset_day';

    private const PASSWORD_LENGTH = 16;

    /** Without look-alikes, and without anything that forms or files encode. */
    private const ALPHABET = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';

    /**
     * Deals with a form that was sent.
     *
     * @param array<mixed> $params gets the new password, when there is one
     * @return array{level: string, says: string}|array{} what to tell the customer
     */
    public static function submitted(array &$params, Lang $lang): array
    {
        $action = $_POST['turnpike_action'] ?? null;
        if (($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'POST' || $action === null) {
            return [];
        }
        $id = (int) ($params['serviceid'] ?? 0);
        $known = in_array($action, [self::DISCONNECT, self::NEW_PASSWORD, self::RESET_DAY], true);
        $state = $known ? self::take($id, $action, $_POST['turnpike_once'] ?? null) : 'unknown';
        if ($state === 'used') {
            return self::saidBefore($id, $lang);
        }
        if ($state !== 'good' || (function_exists('check_token') && check_token('WHMCS.default') === false)) {
            return ['level' => 'warning', 'says' => $lang->get('action_expired')];
        }
        $said = self::perform($action, $params, $lang);
        $_SESSION['turnpike_used'][$id]['said'] = $said;
        return $said;
    }

    /**
     * @param array<mixed> $params
     * @return array{level: string, says: string}
     */
    private static function perform(string $action, array &$params, Lang $lang): array
    {
        $may = Permits::of((int) ($params['userid'] ?? 0));
        if (($action === self::NEW_PASSWORD && !$may['secrets']) || ($action === self::RESET_DAY && !$may['orders'])) {
            return ['level' => 'warning', 'says' => $lang->get('action_not_permitted')];
        }
        if ($action === self::RESET_DAY) {
            return self::resetDay($params, $lang);
        }
        return $action === self::DISCONNECT ? self::disconnect($params, $lang) : self::newPassword($params, $lang);
    }

    /**
     * A form that is sent again does nothing; what the first time came to is said again.
     *
     * @return array{level: string, says: string}
     */
    private static function saidBefore(int $serviceId, Lang $lang): array
    {
        $said = $_SESSION['turnpike_used'][$serviceId]['said'] ?? null;
        if (!is_string($said['level'] ?? null) || !is_string($said['says'] ?? null)) {
            return ['level' => 'warning', 'says' => $lang->get('action_unknown')];
        }
        $isDone = in_array($said['level'], ['success', 'info'], true);
        $before = $lang->get($isDone ? 'action_done_before' : 'action_failed_before');
        return ['level' => $isDone ? 'info' : $said['level'], 'says' => "$before $said[says]"];
    }

    /** The key for the next form of this service. */
    public static function key(int $serviceId): string
    {
        $keys = is_array($_SESSION['turnpike_once'] ?? null) ? $_SESSION['turnpike_once'] : [];
        if (!is_string($keys[$serviceId] ?? null)) {
            $keys = array_slice($keys, -20, null, true);
            $keys[$serviceId] = bin2hex(random_bytes(16));
            $_SESSION['turnpike_once'] = $keys;
        }
        return $keys[$serviceId];
    }

    public static function newRandomPassword(): string
    {
        $password = '';
        for ($i = 0; $i < self::PASSWORD_LENGTH; $i++) {
            $password .= self::ALPHABET[random_int(0, strlen(self::ALPHABET) - 1)];
        }
        return $password;
    }

    /**
     * Uses the key up.
     *
     * @param mixed $sent
     * @return string `good`, `used` before for the same action, or `unknown`
     */
    private static function take(int $serviceId, string $action, $sent): string
    {
        $key = $_SESSION['turnpike_once'][$serviceId] ?? null;
        $used = $_SESSION['turnpike_used'][$serviceId]['form'] ?? null;
        if (!is_string($sent) || $sent === '') {
            return 'unknown';
        }
        if (is_string($used) && hash_equals($used, "$action $sent")) {
            return 'used';
        }
        if (!is_string($key) || !hash_equals($key, $sent)) {
            return 'unknown';
        }
        unset($_SESSION['turnpike_once'][$serviceId]);
        // what it came to is not known before it is done, and never if the request dies
        $_SESSION['turnpike_used'] = [$serviceId => ['form' => "$action $key", 'said' => null]];
        return 'good';
    }

    /**
     * @param array<mixed> $params
     * @return array{level: string, says: string}
     */
    private static function disconnect(array $params, Lang $lang): array
    {
        try {
            $answer = Module::run('disconnect', $params, []);
            $sessions = $answer->get('sessions');
            return ['level' => 'success', 'says' => $lang->get($sessions === 0 ? 'none_connected' : 'disconnected')];
        } catch (\Throwable $cause) {
            return self::failed('disconnect', $cause, $params, $lang->get('not_disconnected'));
        }
    }

    /**
     * The router first, then WHMCS: what WHMCS holds must be what works.
     *
     * @param array<mixed> $params
     * @return array{level: string, says: string}
     */
    private static function newPassword(array &$params, Lang $lang): array
    {
        $password = self::newRandomPassword();
        $isChanged = false;
        try {
            Module::run('change-password', ['password' => $password] + $params, []);
            $isChanged = true;
            Effects::password((int) $params['serviceid'], $password);
            $params['password'] = $password;
            return ['level' => 'success', 'says' => $lang->get('password_changed')];
        } catch (\Throwable $cause) {
            // Changed on the router and not in WHMCS, it is known to nobody: to be changed again.
            $isOpen = $isChanged || SidecarError::from($cause)->isUncertain();
            return self::failed(
                'change-password',
                $cause,
                $params,
                $lang->get($isOpen ? 'password_in_doubt' : 'password_unchanged')
            );
        }
    }

    /**
     * What a reset costs this customer.
     *
     * @param array<mixed> $plan an answer's `plan`
     * @return Money|null null when none is offered now
     */
    public static function resetPrice(int $serviceId, array $plan): ?Money
    {
        $reset = is_array($plan['reset'] ?? null) ? $plan['reset'] : [];
        if (($reset['offered'] ?? null) !== true) {
            return null;
        }
        $client = (int) Capsule::table('tblhosting')->where('id', $serviceId)->value('userid');
        return Money::ofClient($reset['price'] ?? null, $client);
    }

    /**
     * Orders a reset of the day's usage, at the price that Turnpike says now.
     *
     * @param array<mixed> $params
     * @return array{level: string, says: string}
     */
    private static function resetDay(array $params, Lang $lang): array
    {
        $id = (int) $params['serviceid'];
        try {
            $open = Resets::open($id);
            if ($open['state'] === '') {
                $answer = Module::sidecar()->hook('client-area', Params::body($params), Sidecar::PAGE_MS);
                $plan = $answer->part('plan');
                $price = self::resetPrice($id, $plan);
                if ($price === null) {
                    return ['level' => 'warning', 'says' => $lang->get('reset_not_offered')];
                }
                $client = (int) Capsule::table('tblhosting')->where('id', $id)->value('userid');
                $username = Text::decode($params['username'] ?? '');
                $what = $lang->get('reset_item', Text::sentence($plan['name'] ?? ''), $username);
                $open = Resets::order($id, $client, $price, $what);
            }
            $state = $open['state'];
            $levels = ['paid' => 'success', 'done' => 'success', 'failed' => 'warning'];
            return ['level' => $levels[$state] ?? 'info', 'says' => $lang->get("reset_said_$state")];
        } catch (\Throwable $cause) {
            return self::failed('reset', $cause, $params, $lang->get('reset_failed'));
        }
    }

    /**
     * @param array<mixed> $params
     * @return array{level: string, says: string}
     */
    private static function failed(string $name, \Throwable $cause, array $params, string $sentence): array
    {
        $error = Module::error($name, $cause, $params);
        $id = (int) $params['serviceid'];
        Module::note("$name, asked by the customer of service $id: " . $error->forAdmin(), Params::clientOf($id));
        return ['level' => 'danger', 'says' => $error->forClient($sentence)];
    }
}
