<?php

/**
 * A stand-in for Turnpike that answers by script and can misbehave, run by PHP's own web server. The first part of
 * the path names the manner (`/ok/v1/hooks/create`). It signs and checks by code of its own, so a mistake in the
 * bridge's signing cannot hide behind the same mistake here.
 */

declare(strict_types=1);

$folder = (string) getenv('TURNPIKE_PEER_FOLDER');
$key = (string) base64_decode(strtr((string) getenv('TURNPIKE_PEER_SECRET'), '-_', '+/'));
$path = $_SERVER['REQUEST_URI'];
$body = (string) file_get_contents('php://input');
[, $manner, , $kind, $hook] = array_pad(explode('/', $path), 5, '');
// a hook by its name; anything else by its path, such as `netflow/41/client`
$hook = $kind === 'hooks' ? $hook : implode('/', array_slice(explode('/', $path), 3));

// the request's signature, rebuilt from the wire
$input = substr((string) ($_SERVER['HTTP_SIGNATURE_INPUT'] ?? ''), strlen('turnpike='));
$digest = 'sha-256=:' . base64_encode((string) hex2bin(hash('sha256', $body))) . ':';
$lines = '"@method": ' . $_SERVER['REQUEST_METHOD'] . "\n\"@path\": $path\n\"@query\": ?\n"
    . "\"content-digest\": $digest\n"
    . "\"@signature-params\": $input";
$asked = ':' . base64_encode((string) hex2bin(hash_hmac('sha256', $lines, $key))) . ':';
$genuine = ($_SERVER['HTTP_SIGNATURE'] ?? '') === "turnpike=$asked"
    && ($_SERVER['HTTP_CONTENT_DIGEST'] ?? '') === $digest
    && ($_SERVER['REQUEST_METHOD'] === 'GET' || ($_SERVER['CONTENT_TYPE'] ?? '') === 'application/json');

file_put_contents("$folder/requests", json_encode([
    'hook' => $hook,
    'genuine' => $genuine,
    'input' => $input,
    'raw' => $body,
    'signature' => $_SERVER['HTTP_SIGNATURE'] ?? '',
]) . "\n", FILE_APPEND);

$send = static function (int $status, string $body, string $type, string $key, string $asked, string $shown = '') {
    $digest = 'sha-256=:' . base64_encode((string) hex2bin(hash('sha256', $body))) . ':';
    $ahead = (int) @file_get_contents((string) getenv('TURNPIKE_PEER_FOLDER') . '/ahead');
    $input = '("@status" "content-digest" "signature";req;key="turnpike");created=' . (time() + $ahead)
        . ';keyid="whmcs";alg="hmac-sha256";tag="turnpike"';
    $lines = "\"@status\": $status\n\"content-digest\": $digest\n\"signature\";req;key=\"turnpike\": $asked\n"
        . "\"@signature-params\": $input";
    http_response_code($status);
    header("Content-Type: $type");
    header("Content-Digest: $digest");
    header("Signature-Input: turnpike=$input");
    header('Signature: turnpike=:' . base64_encode((string) hex2bin(hash_hmac('sha256', $lines, $key))) . ':');
    echo $shown === '' ? $body : $shown;
    return true;
};
$problem = static function (int $status, string $code, string $detail, array $more = []): string {
    return (string) json_encode($more + [
        'type' => "urn:turnpike:problem:$code",
        'title' => 'Title',
        'status' => $status,
        'detail' => $detail,
        'code' => $code,
        'reference' => 'ref-4711',
    ]);
};

if ($manner !== 'wrong-secret' && !$genuine) {
    http_response_code(401);
    header('Content-Type: application/problem+json');
    echo $problem(401, 'signature-wrong', 'unsigned words that nobody may believe');
    return true;
}

$script = json_decode((string) @file_get_contents("$folder/answers"), true) ?: [];
$unknown = json_decode($problem(404, 'no-such-hook', "There is no $hook here"), true);
[$status, $answer] = $script[$hook] ?? [404, $unknown];
$json = (string) json_encode($answer);
switch ($manner) {
    case 'ok':
        return $send($status, $json, $status < 400 ? 'application/json' : 'application/problem+json', $key, $asked);
    case 'unsigned':
        header('Content-Type: application/json');
        echo $json;
        return true;
    case 'other-secret':
        return $send($status, $json, 'application/json', str_repeat('x', 32), $asked);
    case 'other-request':
        return $send($status, $json, 'application/json', $key, ':' . base64_encode(str_repeat('y', 32)) . ':');
    case 'changed-body':
        return $send($status, $json, 'application/json', $key, $asked, $json . ' ');
    case 'wrong-secret':
        http_response_code(401);
        header('Content-Type: application/problem+json');
        echo $problem(401, 'signature-wrong', 'unsigned words that nobody may believe');
        return true;
    case 'clock':
        $skew = $problem(401, 'clock-skew', 'skew', ['skew_seconds' => -340]);
        return $send(401, $skew, 'application/problem+json', $key, $asked);
    case 'internal':
        $told = $problem(500, 'internal', 'Turnpike could not do this because of a defect.');
        return $send(500, $told, 'application/problem+json', $key, $asked);
    case 'echo':
        $sent = json_decode($body, true);
        $words = 'the router said: bad <b>password</b> ' . ($sent['service']['password'] ?? '') . ' / '
            . ($sent['server']['password'] ?? '') . ' / ' . urlencode((string) ($sent['server']['password'] ?? ''))
            . ' / ' . htmlentities((string) ($sent['settings']['l2tp_psk'] ?? ''), ENT_QUOTES)
            . ' / ' . ($sent['options']['l2tp_psk'] ?? '');
        return $send(502, $problem(502, 'router-refused', $words), 'application/problem+json', $key, $asked);
    case 'no-json':
        return $send(200, 'all is well', 'text/plain', $key, $asked);
    case 'error-page':
        http_response_code(500);
        echo '<html><head><title>500</title></head><body><h1>Internal Server Error</h1></body></html>';
        return true;
    case 'front-page':
        echo '<html><body>Welcome to nginx!</body></html>';
        return true;
    case 'redirect':
        http_response_code(302);
        header('Location: ' . str_replace('/redirect/', '/ok/', $path));
        return true;
    case 'huge':
        header('Content-Type: application/json');
        $mebibytes = preg_match('~/(usage-update|cron|list-accounts|metrics|v1/netflow)$~', $path) === 1 ? 66 : 10;
        for ($i = 0; $i < $mebibytes && !connection_aborted(); $i++) {
            echo str_repeat('x', 1048576);
            flush();
        }
        return true;
    case 'slow':
        header('Content-Type: application/json');
        for ($i = 0; $i < 600 && !connection_aborted(); $i++) {
            echo ' ';
            ob_get_level() > 0 ? ob_flush() : null;
            flush();
            usleep(100000);
        }
        return true;
}
http_response_code(404);
return true;
