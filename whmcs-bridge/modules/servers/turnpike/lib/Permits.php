<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * What the person at a customer's page may see and do. From WHMCS 8 on a client account may have more users than its
 * owner, each with permissions that the owner chose.
 *
 * `manageproducts` ("View & Modify Product Passwords") is what secrets and a new password take, `orders` what makes an
 * invoice takes. Whatever cannot be made out is no permission; a page without secrets is still a page.
 */
final class Permits
{
    private const ALL = ['secrets' => true, 'orders' => true];
    private const NONE = ['secrets' => false, 'orders' => false];

    /**
     * @return array{secrets: bool, orders: bool}
     */
    public static function of(int $clientId): array
    {
        $class = '\WHMCS\Authentication\CurrentUser';
        if (!class_exists($class) || !function_exists('localAPI')) {
            return self::ALL;
        }
        try {
            $current = new $class();
            if ($current->isMasqueradingAdmin()) {
                return self::ALL;
            }
            $user = $current->user();
            if ($user === null || $clientId <= 0) {
                return self::NONE;
            }
            $isOwner = self::owns($current->client(), $user, $clientId);
            return $isOwner ? self::ALL : self::given((int) $user->id, $clientId);
        } catch (\Throwable $cause) {
            ModuleLog::defect('Permits', $cause, []);
            return self::NONE;
        }
    }

    /**
     * @param object|null $client WHMCS\User\Client, the account that is managed now
     * @param object $user WHMCS\User\User
     */
    private static function owns(?object $client, object $user, int $clientId): bool
    {
        if ($client === null || (int) $client->id !== $clientId || !method_exists($client, 'owner')) {
            return false;
        }
        $owner = $client->owner();
        return is_object($owner) && (int) $owner->id === (int) $user->id;
    }

    /**
     * @return array{secrets: bool, orders: bool}
     */
    private static function given(int $userId, int $clientId): array
    {
        $answer = localAPI('GetUserPermissions', ['user_id' => $userId, 'client_id' => $clientId]);
        if (!is_array($answer) || ($answer['result'] ?? '') !== 'success') {
            return self::NONE;
        }
        // how the names are packed is not documented; other calls have them as a list, in a `permission`, or in a text
        $names = $answer['permissions'] ?? [];
        $names = is_array($names) && isset($names['permission']) ? $names['permission'] : $names;
        $names = is_string($names) ? array_map('trim', explode(',', $names)) : (is_array($names) ? $names : []);
        return ['secrets' => in_array('manageproducts', $names, true), 'orders' => in_array('orders', $names, true)];
    }
}
