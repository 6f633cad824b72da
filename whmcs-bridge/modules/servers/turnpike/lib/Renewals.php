<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * Renewals, each for the due date of its own.
 *
 * Turnpike grants a packet once for each date, and WHMCS knows the date of now alone: a Renew that failed, and is
 * retried when the next invoice is paid too, carries that one's date, and a cycle that was paid would never be granted.
 * So what fails is written down with its date (table `mod_turnpike_renewals`; a row is one that waits), and each cron
 * run delivers it. Of one service the oldest comes first: Turnpike takes the date, the cycle and the packet that it is
 * told last for those that count. So what waits also goes before a new Renew, and before a changed package. A retry
 * from the Module Queue changes nothing then.
 */
final class Renewals
{
    public const TABLE = 'mod_turnpike_renewals';

    /** So many services are asked for in one cron run. */
    private const AT_ONCE = 50;

    /** About a week of cron runs. While Turnpike as a whole is away, no try is counted. */
    private const MOST_TRIES = 2000;

    /** Nothing is renewed in these states. */
    private const ENDED = ['Terminated', 'Cancelled', 'Fraud'];
    private const HAS_ENDED = 'the service has ended';

    /** Creates the table where it is missing. */
    public static function install(): void
    {
        if (!Capsule::schema()->hasTable(self::TABLE)) {
            Capsule::schema()->create(self::TABLE, static function ($table): void {
                $table->increments('id');
                $table->integer('service_id');
                $table->string('due', 10);
                // what was sold then: the billing cycle, and the traffic among settings and options
                $table->text('sold');
                $table->integer('tries');
                $table->integer('at');
                $table->unique(['service_id', 'due']);
            });
        }
    }

    /**
     * Renews, as WHMCS wants to be told of it: `success`, or one sentence for staff.
     *
     * @param array<mixed> $params
     */
    public static function renew(array $params): string
    {
        $id = (int) ($params['addonId'] ?? 0) > 0 ? 0 : (int) ($params['serviceid'] ?? 0);
        $due = '';
        try {
            $due = Params::dueDate(Capsule::table('tblhosting')->where('id', $id)->first());
            if ($due !== '' && self::isInstalled()) {
                self::deliverOf($id, $due);
            }
            Module::run('renew', $params, []);
        } catch (\Throwable $cause) {
            $error = Module::error('renew', $cause, $params);
            if ($id > 0 && $due !== '' && !$error->isFinal() && self::keep($id, $due, $params)) {
                $error = $error->with("It is written down for the due date $due, and WHMCS's cron delivers it");
            }
            return $error->forAdmin();
        }
        self::forget($id, $due);
        return 'success';
    }

    /**
     * Has what waits of one service delivered before something that a late renewal would undo: settings that have
     * changed since, traffic that was bought since.
     *
     * @throws \Throwable when it still waits, and that has to wait too
     */
    public static function goFirst(int $serviceId): void
    {
        if ($serviceId <= 0 || !self::isInstalled()) {
            return;
        }
        try {
            self::deliverOf($serviceId, '');
        } catch (SidecarError $error) {
            throw $error->with('A renewal that was paid still waits and has to go first, so this was not done');
        }
    }

    /** Has Turnpike do what waits, of every service. */
    public static function deliver(): void
    {
        if (!self::isInstalled()) {
            return;
        }
        $services = Capsule::table(self::TABLE)->groupBy('service_id')->orderByRaw('MIN(at), service_id')
            ->limit(self::AT_ONCE)->pluck('service_id')->all();
        foreach ($services as $id) {
            try {
                self::deliverOf((int) $id, '');
            } catch (SidecarError $error) {
                if ($error->isAway()) {
                    return;
                }
            }
        }
    }

    /** The service has ended, and with it what waits. */
    public static function end(int $serviceId): void
    {
        try {
            if (self::isInstalled()) {
                $rows = Capsule::table(self::TABLE)->where('service_id', $serviceId)->orderBy('due')->get()->all();
                self::drop($rows, self::HAS_ENDED);
            }
        } catch (\Throwable $cause) {
            ModuleLog::defect('Renewals', $cause, []);
        }
    }

    /**
     * What waits of one service, the oldest first.
     *
     * @param string $besides all but that of this due date, which is told next; '': all
     * @throws SidecarError why one could not be delivered, which the later ones wait for
     */
    private static function deliverOf(int $serviceId, string $besides): void
    {
        $waiting = Capsule::table(self::TABLE)->where('service_id', $serviceId);
        $waiting = $besides === '' ? $waiting : $waiting->where('due', '<>', $besides);
        $rows = $waiting->orderBy('due')->get()->all();
        $service = $rows === [] ? null : Capsule::table('tblhosting')->where('id', $serviceId)->first();
        if ($service === null || in_array($service->domainstatus, self::ENDED, true)) {
            self::drop($rows, self::HAS_ENDED);
            return;
        }
        if (!Effects::isOurs($serviceId)) {
            self::drop($rows, 'its product is not one of the Turnpike module now');
            return;
        }
        foreach ($rows as $row) {
            self::deliverOne($row, $service);
        }
    }

    /**
     * @throws SidecarError when it still waits
     */
    private static function deliverOne(\stdClass $row, \stdClass $service): void
    {
        $what = "the renewal of service $row->service_id for the due date $row->due";
        // delivered by somebody else meanwhile, a changed package may have followed it
        if (!Capsule::table(self::TABLE)->where('id', $row->id)->exists()) {
            return;
        }
        try {
            $answer = self::ask($row, $service);
        } catch (\Throwable $cause) {
            $error = SidecarError::from($cause);
            if ($error !== $cause) {
                ModuleLog::defect('renew', $cause, []);
            }
            $tries = (int) $row->tries + ($error->isAway() ? 0 : 1);
            if (!$error->isFinal() && $tries < self::MOST_TRIES) {
                Capsule::table(self::TABLE)->where('id', $row->id)->update(['tries' => $tries]);
                // the service goes behind the others, so that it never holds them up
                Capsule::table(self::TABLE)->where('service_id', $row->service_id)->update(['at' => time()]);
                throw $error;
            }
            self::forget((int) $row->service_id, $row->due);
            $by = 'cannot be delivered; add its traffic by hand: ';
            Module::note("$what $by" . $error->forAdmin(), (int) $service->userid);
            return;
        }
        self::forget((int) $row->service_id, $row->due);
        Module::note("$what, which had failed, is delivered", (int) $service->userid);
        Module::warned('the late renewal', (int) $row->service_id, $answer);
        Facts::fromAccount((int) $row->service_id, $answer);
    }

    /**
     * @throws SidecarError
     */
    private static function ask(\stdClass $row, \stdClass $service): Answer
    {
        $sold = json_decode($row->sold, true);
        return Module::sidecar()->hook('renew', [
            'whmcs' => Params::whmcs(),
            'server' => Params::server(['serverid' => $service->server]),
            'service' => ['id' => (int) $row->service_id, 'next_due_date' => $row->due,
                'billing_cycle' => $sold['billing_cycle'] ?? ''],
            'settings' => (object) ($sold['settings'] ?? []),
            'options' => (object) ($sold['options'] ?? []),
            'hook' => (object) [],
        ], Sidecar::LIFECYCLE_MS);
    }

    /**
     * @param array<mixed> $params
     */
    private static function keep(int $serviceId, string $due, array $params): bool
    {
        try {
            self::install();
            $service = Capsule::table('tblhosting')->where('id', $serviceId)->first();
            $isTraffic = static function (string $name): bool {
                return strpos($name, 'traffic_gb') === 0;
            };
            $options = Settings::options($params['configoptions'] ?? []);
            $sold = [
                'billing_cycle' => Text::decode($service->billingcycle ?? ''),
                'settings' => array_filter(Settings::values($params), $isTraffic, ARRAY_FILTER_USE_KEY),
                'options' => array_filter($options, $isTraffic, ARRAY_FILTER_USE_KEY),
            ];
            $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
            Capsule::table(self::TABLE)->insertOrIgnore(['service_id' => $serviceId, 'due' => $due,
                'sold' => (string) json_encode($sold, $flags), 'tries' => 0, 'at' => time()]);
            return true;
        } catch (\Throwable $cause) {
            ModuleLog::defect('Renewals', $cause, $params);
            return false;
        }
    }

    /** Turnpike has it now, or will not have it. */
    private static function forget(int $serviceId, string $due): void
    {
        try {
            if (self::isInstalled()) {
                Capsule::table(self::TABLE)->where('service_id', $serviceId)->where('due', $due)->delete();
            }
        } catch (\Throwable $cause) {
            ModuleLog::defect('Renewals', $cause, []);
        }
    }

    /**
     * @param \stdClass[] $rows
     */
    private static function drop(array $rows, string $why): void
    {
        foreach ($rows as $row) {
            self::forget((int) $row->service_id, $row->due);
            $client = Params::clientOf((int) $row->service_id);
            Module::note("the renewal of service $row->service_id for the due date $row->due had failed and is not"
                . " delivered any more: $why; if it goes on, add its traffic by hand", $client);
        }
    }

    private static function isInstalled(): bool
    {
        return Capsule::schema()->hasTable(self::TABLE);
    }
}
