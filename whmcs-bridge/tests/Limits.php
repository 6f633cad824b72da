<?php

declare(strict_types=1);

namespace Turnpike\Tests;

/**
 * The time limits that the bridge gave to curl.
 */
final class Limits
{
    /** @var array<int, array{int, int}> connect and whole, in milliseconds */
    public static $set = [];

    /** @var int divides the limit of each whole call */
    public static $shorten = 1;

    /** Enough for a process that has to wait for a processor to be connected before the limit is over. */
    private const LEAST_MS = 250;

    public static function shortened(int $wholeMs): int
    {
        return min($wholeMs, max(self::LEAST_MS, (int) ($wholeMs / self::$shorten)));
    }
}
