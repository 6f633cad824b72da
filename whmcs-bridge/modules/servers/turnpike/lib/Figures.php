<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * Amounts, speeds and instants as people read and type them. Bytes are integers throughout; a GB is as large as
 * Turnpike says it is.
 */
final class Figures
{
    /** WHMCS's own GB, where Turnpike has not said which one counts. */
    public const GIGABYTE = 1073741824;

    /**
     * The size of a GB out of an answer's `bytes_per_gb`.
     *
     * @param mixed $told
     */
    public static function gigabyte($told): int
    {
        return in_array($told, [1000000000, self::GIGABYTE], true) ? $told : self::GIGABYTE;
    }

    public static function gigabytes(int $bytes, int $gigabyte): string
    {
        return self::number($bytes / $gigabyte) . ' GB';
    }

    /**
     * Bytes out of typed GB, with at most four decimals after a point or a comma; exactly, without a float.
     *
     * @return int|null null when it is no such number, or none that can be
     */
    public static function fromGigabytes(string $typed, int $gigabyte): ?int
    {
        $typed = str_replace(',', '.', trim($typed));
        if (preg_match('/^([+-]?)(\d{1,8})(?:\.(\d{1,4}))?$/', $typed, $part) !== 1) {
            return null;
        }
        $fraction = (int) str_pad($part[3] ?? '', 4, '0');
        $bytes = (int) $part[2] * $gigabyte + intdiv($fraction * $gigabyte, 10000);
        return $part[1] === '-' ? -$bytes : $bytes;
    }

    /** At most two decimals, none that says nothing; a small amount is not shown as zero. */
    public static function number(float $value): string
    {
        $decimals = $value !== 0.0 && abs($value) < 0.01 ? 4 : 2;
        $text = number_format($value, $decimals, '.', '');
        $text = rtrim(rtrim($text, '0'), '.');
        return $text === '-0' ? '0' : $text;
    }

    /**
     * Part of a whole in percent, 0 to 100; null when there is no whole.
     */
    public static function percent(int $part, int $whole): ?int
    {
        return $whole > 0 ? (int) max(0, min(100, floor($part / $whole * 100))) : null;
    }

    public static function duration(int $seconds): string
    {
        $days = intdiv($seconds, 86400);
        return ($days > 0 ? $days . ' d ' : '') . gmdate('H:i:s', max(0, $seconds % 86400));
    }

    /**
     * @param mixed $instant RFC 3339
     * @return string '' when it is none
     */
    public static function instant($instant): string
    {
        if (!is_string($instant) || preg_match('/^\d{4}-\d\d-\d\dT/', $instant) !== 1) {
            return '';
        }
        $time = date_create($instant);
        return $time === false ? '' : self::moment($time->getTimestamp());
    }

    public static function moment(int $time): string
    {
        return gmdate('Y-m-d H:i', $time) . ' UTC';
    }
}
