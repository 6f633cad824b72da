<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * What WHMCS calls a module with, as the body that Turnpike reads.
 */
final class Params
{
    /**
     * @param array<mixed> $params
     * @param array<string, mixed> $hook the hook's own argument
     * @return array<string, mixed>
     */
    public static function body(array $params, array $hook = []): array
    {
        $body = [
            'whmcs' => self::whmcs($params),
            'server' => self::server($params),
            'settings' => Settings::values($params) + Settings::letters(),
            'options' => (object) Settings::options($params['configoptions'] ?? []),
            'hook' => (object) $hook,
        ];
        $service = self::service($params);
        if ($service !== null) {
            $body['service'] = $service;
            $body['client'] = self::client($params);
        }
        return $body;
    }

    /**
     * For calls that concern a server and no service.
     *
     * @param array<mixed> $params
     * @return array<string, mixed>
     */
    public static function serverBody(array $params): array
    {
        return ['whmcs' => self::whmcs($params), 'server' => self::server($params), 'hook' => (object) []];
    }

    /**
     * @param array<mixed> $params
     * @return array<string, string>
     */
    public static function whmcs(array $params = []): array
    {
        $version = $params['whmcsVersion'] ?? null;
        if (!is_string($version) || $version === '') {
            $version = Capsule::table('tblconfiguration')->where('setting', 'Version')->value('value');
        }
        return ['version' => (string) $version, 'bridge' => Module::VERSION];
    }

    /**
     * WHMCS's server record: one router. Null when no server was given.
     *
     * Client-area calls do not always carry the login; it is then read where WHMCS keeps it.
     *
     * @param array<mixed> $params
     * @return array<string, mixed>|null
     */
    public static function server(array $params): ?array
    {
        $id = (int) ($params['serverid'] ?? 0);
        $row = $id > 0 ? Capsule::table('tblservers')->where('id', $id)->first() : null;
        $pick = static function (string $param, string $column) use ($params, $row): string {
            $given = Text::decode($params[$param] ?? '');
            return $given !== '' || $row === null ? $given : Text::decode($row->$column ?? '');
        };
        $hostname = $pick('serverhostname', 'hostname');
        $address = $pick('serverip', 'ipaddress');
        if ($hostname === '' && $address === '') {
            return null;
        }
        $password = Text::decode($params['serverpassword'] ?? '');
        if ($password === '' && $row !== null && (string) ($row->password ?? '') !== '') {
            $password = Text::decode(decrypt($row->password));
        }
        $given = Text::decode($params['serverhostname'] ?? '') . Text::decode($params['serverip'] ?? '') !== '';
        $secure = $given && isset($params['serversecure']) ? $params['serversecure'] : ($row->secure ?? '');
        $tls = in_array($secure, [true, 1, '1', 'on'], true);
        $port = (int) $pick('serverport', 'port');
        return [
            'id' => $id,
            'name' => $row !== null ? Text::decode($row->name ?? '') : ($hostname !== '' ? $hostname : $address),
            'hostname' => $hostname !== '' ? $hostname : $address,
            'address' => $address !== '' ? $address : $hostname,
            'port' => $port > 0 ? $port : ($tls ? Module::TLS_PORT : Module::PLAIN_PORT),
            'tls' => $tls,
            'username' => $pick('serverusername', 'username'),
            'password' => $password,
            'certificate_sha256' => trim($pick('serveraccesshash', 'accesshash')),
            'addresses' => self::addresses(Text::decode($row->assignedips ?? '')),
        ];
    }

    /**
     * The server's Assigned IP Addresses: one a line as WHMCS asks for them, commas and any line end taken too.
     *
     * @return string[]
     */
    public static function addresses(string $text): array
    {
        $parts = preg_split('/[\r\n,;]+/', $text);
        return array_values(array_filter(array_map('trim', $parts === false ? [] : $parts), 'strlen'));
    }

    /**
     * @param array<mixed> $params
     * @return array<string, mixed>|null null when the call concerns no service
     */
    private static function service(array $params): ?array
    {
        $id = (int) ($params['serviceid'] ?? 0);
        if ($id <= 0) {
            return null;
        }
        $row = Capsule::table('tblhosting')->where('id', $id)->first();
        $service = [
            'id' => $id,
            'client_id' => (int) ($params['userid'] ?? $row->userid ?? 0),
            'product_id' => (int) ($params['pid'] ?? $params['packageid'] ?? $row->packageid ?? 0),
            'status' => Text::decode($row->domainstatus ?? $params['status'] ?? ''),
            'username' => Text::decode($params['username'] ?? ''),
            'password' => Text::decode($params['password'] ?? ''),
            'dedicated_address' => trim(Text::decode($row->dedicatedip ?? '')),
            'billing_cycle' => Text::decode($row->billingcycle ?? ''),
        ];
        $due = self::dueDate($row);
        return $service + ($due === '' ? [] : ['next_due_date' => $due]);
    }

    /** The date until which a service of WHMCS's is paid; '' where there is none. */
    public static function dueDate(?\stdClass $service): string
    {
        $due = substr((string) ($service->nextduedate ?? ''), 0, 10);
        return preg_match('/^[1-9]\d{3}-\d\d-\d\d$/', $due) === 1 ? $due : '';
    }

    /** Whose service it is, for the Activity Log; 0 where WHMCS does not say. */
    public static function clientOf(int $serviceId): int
    {
        try {
            return (int) Capsule::table('tblhosting')->where('id', $serviceId)->value('userid');
        } catch (\Throwable $cause) {
            ModuleLog::defect('clientOf', $cause, []);
            return 0;
        }
    }

    /**
     * @param array<mixed> $params
     * @return array<string, mixed>
     */
    private static function client(array $params): array
    {
        $details = is_array($params['clientsdetails'] ?? null) ? $params['clientsdetails'] : [];
        $name = Text::decode($details['firstname'] ?? '') . ' ' . Text::decode($details['lastname'] ?? '');
        return [
            'id' => (int) ($details['id'] ?? $details['userid'] ?? $params['userid'] ?? 0),
            'name' => trim($name),
            'email' => Text::decode($details['email'] ?? ''),
            'language' => Text::decode($details['language'] ?? ''),
        ];
    }
}
