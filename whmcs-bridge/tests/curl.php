<?php

/**
 * Stands between the bridge and curl: notes the time limits that each call sets, and can shorten the whole call's so
 * that tests of silence need not wait as long as a customer may. The one for the connection stays: the kernel takes
 * connections for whoever listens, and on a busy machine a short one would end a call before it has one.
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
    $options[CURLOPT_TIMEOUT_MS] = Limits::shortened($options[CURLOPT_TIMEOUT_MS]);
    return \curl_setopt_array($curl, $options);
}
