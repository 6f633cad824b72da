<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * RFC 9421 HTTP Message Signatures with an RFC 9530 digest, in the one fixed profile that Turnpike speaks.
 *
 * A request signs its method, path, query and body; an answer signs its status, its body and the request's signature,
 * so it answers this request and no other. The base line of every parameter list is the text as it was sent.
 */
final class Signature
{
    public const LABEL = 'turnpike';

    private const REQUEST_PARTS = '("@method" "@path" "@query" "content-digest")';
    private const ANSWER_PARTS = '("@status" "content-digest" "signature";req;key="turnpike")';

    /** `Content-Digest` of a body, also of an empty one. */
    public static function digest(string $body): string
    {
        return 'sha-256=:' . base64_encode(hash('sha256', $body, true)) . ':';
    }

    /**
     * The three headers of a signed request.
     *
     * @param string $query without its `?`; '' when there is none
     * @param string $key the secret's bytes, decoded
     * @return array<string, string> name to value
     */
    public static function request(
        string $method,
        string $path,
        string $query,
        string $body,
        string $keyId,
        string $key,
        int $created,
        string $nonce
    ): array {
        $digest = self::digest($body);
        $input = self::REQUEST_PARTS . ";created=$created;nonce=\"$nonce\";keyid=\"$keyId\""
            . ';alg="hmac-sha256";tag="turnpike"';
        $base = implode("\n", [
            "\"@method\": $method",
            "\"@path\": $path",
            "\"@query\": ?$query",
            "\"content-digest\": $digest",
            "\"@signature-params\": $input",
        ]);
        return [
            'Content-Digest' => $digest,
            'Signature-Input' => self::LABEL . "=$input",
            'Signature' => self::LABEL . '=:' . base64_encode(hash_hmac('sha256', $base, $key, true)) . ':',
        ];
    }

    /**
     * Checks an answer's signature.
     *
     * @param array<string, string> $headers lower-case name to value
     * @param string $requestSignature the `Signature` header of the request it answers
     * @return array{fault: string, created: int} fault is '' for a good one, `missing` when there is no signature of
     *     ours at all, else what is wrong; created is the other side's clock, 0 when unknown
     */
    public static function answer(
        int $status,
        array $headers,
        string $body,
        string $requestSignature,
        string $keyId,
        string $key,
        int $now
    ): array {
        $input = self::member($headers['signature-input'] ?? '', self::LABEL);
        $signature = self::bytes(self::member($headers['signature'] ?? '', self::LABEL));
        $asked = self::member($requestSignature, self::LABEL);
        if ($input === '' || $signature === '') {
            return ['fault' => 'missing', 'created' => 0];
        }
        if (strncmp($input, self::ANSWER_PARTS, strlen(self::ANSWER_PARTS)) !== 0) {
            return ['fault' => 'it covers other parts than agreed', 'created' => 0];
        }
        $parameters = self::parameters(substr($input, strlen(self::ANSWER_PARTS)));
        if ($parameters === null || !isset($parameters['created']) || !is_int($parameters['created'])) {
            return ['fault' => 'its parameters cannot be read', 'created' => 0];
        }
        $created = $parameters['created'];
        $expected = ['keyid' => $keyId, 'alg' => 'hmac-sha256', 'tag' => 'turnpike'];
        foreach ($expected as $name => $value) {
            if (($parameters[$name] ?? null) !== $value) {
                return ['fault' => "its $name is not ours", 'created' => 0];
            }
        }
        $digest = $headers['content-digest'] ?? '';
        $base = implode("\n", [
            "\"@status\": $status",
            "\"content-digest\": $digest",
            "\"signature\";req;key=\"turnpike\": $asked",
            "\"@signature-params\": $input",
        ]);
        if (!hash_equals(hash_hmac('sha256', $base, $key, true), $signature)) {
            return ['fault' => 'it was made with another secret, or for another request', 'created' => 0];
        }
        if (!hash_equals(hash('sha256', $body, true), self::bytes(self::member($digest, 'sha-256')))) {
            return ['fault' => 'the body is not the one that was signed', 'created' => 0];
        }
        if (isset($parameters['expires']) && (!is_int($parameters['expires']) || $parameters['expires'] < $now)) {
            return ['fault' => 'it has expired', 'created' => $created];
        }
        return ['fault' => '', 'created' => $created];
    }

    /** The value of one member of a structured-field dictionary as sent, or ''. The last one of a name counts. */
    private static function member(string $dictionary, string $name): string
    {
        $pattern = '/\G[ \t]*([a-z*][a-z0-9_.*-]*)=((?:"(?:[^"\\\\]|\\\\.)*"|[^",])*)(?:,|$)/';
        $found = '';
        if (preg_match_all($pattern, $dictionary, $all, PREG_SET_ORDER) > 0) {
            foreach ($all as $one) {
                $found = $one[1] === $name ? trim($one[2], " \t") : $found;
            }
        }
        return $found;
    }

    /** The bytes of `:base64:`, or ''. */
    private static function bytes(string $item): string
    {
        if (preg_match('/^:([A-Za-z0-9+\/]*={0,2}):$/', $item, $match) !== 1) {
            return '';
        }
        return (string) base64_decode($match[1], true);
    }

    /**
     * @return array<string, int|string>|null
     */
    private static function parameters(string $text): ?array
    {
        $known = ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag'];
        $found = [];
        while ($text !== '') {
            if (preg_match('/^;([a-z]+)=(?:(\d{1,15})|"([\x20\x21\x23-\x5b\x5d-\x7e]*)")/', $text, $match) !== 1) {
                return null;
            }
            if (!in_array($match[1], $known, true) || isset($found[$match[1]])) {
                return null;
            }
            $found[$match[1]] = ($match[2] ?? '') !== '' ? (int) $match[2] : ($match[3] ?? '');
            $text = substr($text, strlen($match[0]));
        }
        return $found;
    }
}
