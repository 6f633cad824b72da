<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The closed list of what an answer may change in WHMCS: a service's username, password and dedicated address, and
 * the usage columns. Rows are found by primary key, and only among services of this module.
 */
final class Effects
{
    /**
     * Writes what Turnpike settled for a service. What it kept is not written again.
     *
     * @param array<string, mixed> $sent the service as it was sent
     * @param array<mixed> $settled the answer's `service`
     * @throws SidecarError
     */
    public static function credentials(array $sent, array $settled): void
    {
        $columns = ['username' => 'username', 'password' => 'password', 'dedicated_address' => 'dedicatedip'];
        $change = [];
        foreach ($columns as $name => $column) {
            $value = $settled[$name] ?? null;
            if (!is_string($value) || $value === '' || preg_match('/^[^\p{Cc}]{1,255}$/u', $value) !== 1) {
                throw self::strange("it named no usable $name for service {$sent['id']}");
            }
            if ($value !== ($sent[$name] ?? '')) {
                $change[$column] = $name === 'password' ? encrypt($value) : $value;
            }
        }
        if (filter_var($settled['dedicated_address'], FILTER_VALIDATE_IP) === false) {
            throw self::strange("the dedicated address for service {$sent['id']} is none");
        }
        if ($change !== []) {
            Capsule::table('tblhosting')->where('id', $sent['id'])->update($change);
        }
    }

    /** Stores the password that is now on the router. */
    public static function password(int $serviceId, string $password): void
    {
        Capsule::table('tblhosting')->where('id', $serviceId)->update(['password' => encrypt($password)]);
    }

    /**
     * Writes usage, all rows or none. Services that the answer does not name keep their figures and their date.
     *
     * @param array<int, array<string, mixed>> $rows the answer's `services`
     * @param int|null $serverId only rows of this server; null: of any
     * @return int how many services were written
     */
    public static function usage(array $rows, ?int $serverId): int
    {
        $usage = [];
        foreach ($rows as $row) {
            $used = $row['bandwidth_used_mb'] ?? null;
            $limit = $row['bandwidth_limit_mb'] ?? null;
            $id = $row['service_id'] ?? null;
            if (is_int($id) && is_int($used) && is_int($limit) && $used >= 0 && $limit >= 0) {
                $usage[$id] = ['bwusage' => $used, 'bwlimit' => $limit];
            }
        }
        if ($usage === []) {
            return 0;
        }
        return Capsule::connection()->transaction(static function () use ($usage, $serverId): int {
            $ours = self::ourServices();
            if ($serverId !== null) {
                $ours->where('tblhosting.server', $serverId);
            }
            $known = array_flip($ours->pluck('tblhosting.id')->all());
            $usage = array_intersect_key($usage, $known);
            foreach ($usage as $id => $figures) {
                Capsule::table('tblhosting')->where('id', $id)->update($figures + [
                    'diskusage' => 0,
                    'disklimit' => 0,
                    'lastupdate' => date('Y-m-d H:i:s'),
                ]);
            }
            return count($usage);
        });
    }

    /** Whether a service is of a product of this module. */
    public static function isOurs(int $serviceId): bool
    {
        return self::ourServices()->where('tblhosting.id', $serviceId)->exists();
    }

    /**
     * @return \Illuminate\Database\Query\Builder services of this module's products
     */
    private static function ourServices()
    {
        return Capsule::table('tblhosting')->join('tblproducts', 'tblproducts.id', '=', 'tblhosting.packageid')
            ->where('tblproducts.servertype', 'turnpike');
    }

    private static function strange(string $what): SidecarError
    {
        return new SidecarError(
            'answer-strange',
            "Turnpike answered something that WHMCS cannot use: $what; are both of the same version?"
        );
    }
}
