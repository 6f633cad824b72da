<?php

/**
 * Stands between the bridge and curl: notes the time limits that each call sets, and can shorten them so that tests
 * of silence need not wait as long as a customer may.
 */

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use Turnpike\Tests\Limits;

/**
 * @param resource|\CurlHandle $curl
 * @param array<int, mixed> $options
 */
function curl_setopt_array($curl, array $options): bool
{
    Limits::$set[] = [$options[CURLOPT_CONNECTTIMEOUT_MS], $options[CURLOPT_TIMEOUT_MS]];
    $options[CURLOPT_CONNECTTIMEOUT_MS] = (int) ($options[CURLOPT_CONNECTTIMEOUT_MS] / Limits::$shorten);
    $options[CURLOPT_TIMEOUT_MS] = (int) ($options[CURLOPT_TIMEOUT_MS] / Limits::$shorten);
    return \curl_setopt_array($curl, $options);
}
