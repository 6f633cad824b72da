<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * What Turnpike last said of each service, for where nothing may be asked: e-mails, the admin's home page, a page
 * while Turnpike is away. Never the basis of a decision. Table `mod_turnpike_facts`; whatever a stranger must not read
 * (keys, NetFlow access) is in its column `sealed`, by WHMCS's `encrypt()`.
 *
 * It can be lost and fills again by itself, so no call fails for it.
 */
final class Facts
{
    public const TABLE = 'mod_turnpike_facts';

    /** Kept sealed; all other facts are plain JSON. */
    private const SEALED = ['l2tp_psk', 'netflow'];

    /** What the column `updated_at` is the age of. Other facts may be learned without these, such as NetFlow access. */
    private const DATED = ['metered', 'balance_bytes'];

    /** The same facts are not written again within this time. */
    private const QUIET_SECONDS = 300;

    /** Creates the table where it is missing. */
    public static function install(): void
    {
        if (!Capsule::schema()->hasTable(self::TABLE)) {
            Capsule::schema()->create(self::TABLE, static function ($table): void {
                $table->integer('service_id')->primary();
                $table->text('json');
                $table->text('sealed');
                $table->integer('updated_at');
            });
        }
    }

    /**
     * @return array<string, mixed> with `updated_at`, when the balance was last learned; empty when nothing is known
     */
    public static function of(int $serviceId): array
    {
        try {
            $row = Capsule::table(self::TABLE)->where('service_id', $serviceId)->first();
            return $row === null ? [] : self::read($row);
        } catch (\Throwable $cause) {
            self::excuse($cause);
            return [];
        }
    }

    /**
     * What is known of every service, without what is sealed.
     *
     * @return array<int, array<string, mixed>> by service
     */
    public static function all(): array
    {
        try {
            $all = [];
            $rows = Capsule::table(self::TABLE)->orderBy('service_id')->get(['service_id', 'json', 'updated_at']);
            foreach ($rows as $row) {
                $all[(int) $row->service_id] = self::plain($row);
            }
            return $all;
        } catch (\Throwable $cause) {
            self::excuse($cause);
            return [];
        }
    }

    /**
     * Out of an answer of `client-area`.
     */
    public static function fromPage(int $serviceId, Answer $answer): void
    {
        $known = ['server_address', 'protocols', 'instruction_url', 'download_kbps', 'upload_kbps', 'l2tp_psk'];
        $traffic = ['metered', 'balance_bytes', 'next_cycle_bytes', 'next_cycle_date', 'bytes_per_gb'];
        if (in_array($answer->get('state'), ['active', 'blocked'], true)) {
            $facts = array_intersect_key($answer->part('information'), array_flip($known));
            $facts += array_intersect_key($answer->part('traffic'), array_flip($traffic));
            self::learn([$serviceId => $facts + ['enabled' => $answer->get('state') === 'active']]);
        }
    }

    /**
     * Out of an answer that has an `account`.
     */
    public static function fromAccount(int $serviceId, Answer $answer): void
    {
        $known = ['enabled', 'causes', 'metered', 'balance_bytes', 'download_kbps', 'upload_kbps', 'next_cycle_bytes',
            'bytes_per_gb'];
        $facts = array_intersect_key($answer->part('account'), array_flip($known));
        if ($facts !== []) {
            self::learn([$serviceId => $facts]);
        }
    }

    /**
     * Out of a collection's `services`.
     *
     * @param array<int, array<string, mixed>> $rows
     */
    public static function fromUsage(array $rows): void
    {
        $learned = [];
        foreach ($rows as $row) {
            if (!is_int($row['service_id'] ?? null)) {
                continue;
            }
            $known = ['enabled', 'causes', 'balance_bytes', 'month', 'last_reading_at'];
            $learned[$row['service_id']] = array_intersect_key($row, array_flip($known));
        }
        self::learn($learned);
    }

    /**
     * Puts these over what was known; other facts of the same service stay.
     *
     * @param array<int, array<string, mixed>> $learned by service; only scalars, lists of texts and null
     */
    public static function learn(array $learned): void
    {
        try {
            foreach (array_chunk($learned, 200, true) as $some) {
                $rows = Capsule::table(self::TABLE)->whereIn('service_id', array_keys($some))->get();
                $known = [];
                foreach ($rows as $row) {
                    $known[(int) $row->service_id] = $row;
                }
                foreach ($some as $serviceId => $facts) {
                    self::write((int) $serviceId, $facts, $known[$serviceId] ?? null);
                }
            }
        } catch (\Throwable $cause) {
            self::excuse($cause);
        }
    }

    /** The service has ended. Its NetFlow access, when it still has one, is read anew by the next cron run. */
    public static function forget(int $serviceId): void
    {
        try {
            Capsule::table(self::TABLE)->where('service_id', $serviceId)->delete();
        } catch (\Throwable $cause) {
            self::excuse($cause);
        }
    }

    /** The size of a GB as Turnpike last said it; null when it never did. */
    public static function gigabyte(int $serviceId): ?int
    {
        $told = self::of($serviceId)['bytes_per_gb'] ?? null;
        return is_int($told) ? Figures::gigabyte($told) : null;
    }

    /**
     * @param array<string, mixed> $facts
     */
    private static function write(int $serviceId, array $facts, ?\stdClass $row): void
    {
        $known = $row === null ? [] : self::read($row);
        $at = (int) ($known['updated_at'] ?? 0);
        $age = time() - $at;
        unset($known['updated_at']);
        $isDated = $row === null || array_intersect_key($facts, array_flip(self::DATED)) !== [];
        // a fact that became null is one that ended, such as a balance
        $next = array_filter($facts + $known, static function ($value): bool {
            return $value !== null;
        });
        ksort($next);
        ksort($known);
        if ($row !== null && $next === $known && (!$isDated || ($age >= 0 && $age < self::QUIET_SECONDS))) {
            return;
        }
        $sealed = array_intersect_key($next, array_flip(self::SEALED));
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
        Capsule::table(self::TABLE)->updateOrInsert(['service_id' => $serviceId], [
            'json' => (string) json_encode((object) array_diff_key($next, $sealed), $flags),
            'sealed' => $sealed === [] ? '' : encrypt((string) json_encode($sealed, $flags)),
            'updated_at' => $isDated ? time() : $at,
        ]);
    }

    /**
     * @return array<string, mixed>
     */
    private static function read(\stdClass $row): array
    {
        $sealed = $row->sealed === '' ? [] : json_decode((string) decrypt($row->sealed), true);
        return self::plain($row) + (is_array($sealed) ? $sealed : []);
    }

    /**
     * @return array<string, mixed>
     */
    private static function plain(\stdClass $row): array
    {
        $facts = json_decode($row->json, true);
        return ['updated_at' => (int) $row->updated_at] + (is_array($facts) ? $facts : []);
    }

    /** Before the addon is activated or upgraded there is no table, and that is no defect. */
    private static function excuse(\Throwable $cause): void
    {
        try {
            if (Capsule::schema()->hasTable(self::TABLE)) {
                ModuleLog::defect('Facts', $cause, []);
            }
        } catch (\Throwable $more) {
            ModuleLog::defect('Facts', $more, []);
        }
    }
}
