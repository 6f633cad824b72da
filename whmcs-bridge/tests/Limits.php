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

    /** @var int divides every limit */
    public static $shorten = 1;
}
