<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The month that an answer's figures are of. WHMCS takes figures for those of the month that it is in itself and writes
 * them over what it had: by other clocks, a month that is nearly over would become an hour of the next one.
 */
final class Month
{
    /** Clocks may differ by two minutes (more is refused), and a call takes its time. */
    private const TURNING_SECONDS = 300;

    /** However often WHMCS asks, and for however many servers, the Activity Log gets one line in this time. */
    private const QUIET_SECONDS = 86400;

    /** Whether an answer's figures may be entered into WHMCS's month. Where they may not, staff are told what to do. */
    public static function isOurs(Answer $answer): bool
    {
        $month = $answer->get('month');
        $now = time();
        // Turnpike before it said so
        if (!is_string($month) || preg_match('/^\d{4}-\d\d$/D', $month) !== 1 || $month === date('Y-m', $now)) {
            return true;
        }
        if (!self::isTurning($month, $now)) {
            self::tell($month, $now);
        }
        return false;
    }

    /** Whether it is that month a few minutes before or after, so that the clocks alone may differ. */
    public static function isTurning(string $month, int $now): bool
    {
        $near = [date('Y-m', $now - self::TURNING_SECONDS), date('Y-m', $now + self::TURNING_SECONDS)];
        return in_array($month, $near, true);
    }

    private static function tell(string $month, int $now): void
    {
        $where = ['module' => 'turnpike', 'setting' => 'month_trouble'];
        $last = (int) Capsule::table('tbladdonmodules')->where($where)->value('value');
        if (abs($now - $last) < self::QUIET_SECONDS) {
            return;
        }
        Module::note("Turnpike's month is $month and WHMCS's is " . date('Y-m', $now) . ', so traffic is not entered'
            . ' into WHMCS until they agree; set time.zone in turnpike.toml to "' . date_default_timezone_get()
            . '", which is the time zone of WHMCS, and restart Turnpike');
        Capsule::table('tbladdonmodules')->updateOrInsert($where, ['value' => (string) $now]);
    }
}
