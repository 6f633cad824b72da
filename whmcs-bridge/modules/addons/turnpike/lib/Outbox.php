<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;

/**
 * Remembers what became of each mail that Turnpike handed over, until Turnpike has confirmed that it knows.
 *
 * A row is written before WHMCS is asked to send. So a mail whose acknowledgement was lost is not sent again: it is
 * acknowledged again. Only a mail that was being sent when the cron died is given back as failed, since nobody can
 * say whether it left.
 */
final class Outbox
{
    private const TABLE = 'mod_turnpike_mails';

    /** After this long, a mail still `sending` belongs to a run that died. */
    private const DEAD_SECONDS = 900;

    /** Creates the table where it is missing; existing rows stay. */
    public static function install(): void
    {
        if (!Capsule::schema()->hasTable(self::TABLE)) {
            Capsule::schema()->create(self::TABLE, static function ($table): void {
                $table->string('mail_id', 100)->primary();
                $table->string('state', 10);
                $table->string('error', 600);
                $table->integer('at');
            });
        }
    }

    /**
     * What Turnpike is still to be told.
     *
     * @return array<string, array<mixed>> `delivered`: ids; `failed`: each `id`, `error`, and `final` where another
     *     try changes nothing
     */
    public static function pending(): array
    {
        Capsule::table(self::TABLE)->where('state', 'sending')->where('at', '<', time() - self::DEAD_SECONDS)
            ->update(['state' => 'failed', 'error' => 'the WHMCS cron ended while this mail was being sent']);
        $pending = ['delivered' => [], 'failed' => []];
        $rows = Capsule::table(self::TABLE)->where('state', '<>', 'sending')->orderBy('at')->limit(1000)->get();
        foreach ($rows as $row) {
            $id = json_decode($row->mail_id);
            if ($row->state === 'delivered') {
                $pending['delivered'][] = $id;
            } else {
                $pending['failed'][] = ['id' => $id, 'error' => $row->error]
                    + ($row->state === 'refused' ? ['final' => true] : []);
            }
        }
        return $pending;
    }

    /**
     * Turnpike has confirmed these.
     *
     * @param array{delivered: array<int|string>, failed: array<int, array{id: int|string, error: string}>} $told
     */
    public static function forget(array $told): void
    {
        $ids = array_map([self::class, 'key'], array_merge($told['delivered'], array_column($told['failed'], 'id')));
        foreach (array_chunk($ids, 200) as $some) {
            Capsule::table(self::TABLE)->whereIn('mail_id', $some)->where('state', '<>', 'sending')->delete();
        }
    }

    /**
     * Takes a mail in hand, once: false when it is or was in hand already.
     *
     * @param int|string $id
     */
    public static function take($id): bool
    {
        $row = ['mail_id' => self::key($id), 'state' => 'sending', 'error' => '', 'at' => time()];
        return Capsule::table(self::TABLE)->insertOrIgnore($row) > 0;
    }

    /**
     * What became of it.
     *
     * @param int|string $id
     * @param string $error '' when WHMCS sent it
     * @param bool $final whether asking again changes nothing
     */
    public static function settle($id, string $error, bool $final = false): void
    {
        $failed = $final ? 'refused' : 'failed';
        Capsule::table(self::TABLE)->where('mail_id', self::key($id))
            ->update(['state' => $error === '' ? 'delivered' : $failed, 'error' => $error, 'at' => time()]);
    }

    /**
     * An id as kept: number and text stay apart.
     *
     * @param int|string $id
     */
    private static function key($id): string
    {
        return (string) json_encode($id);
    }
}
