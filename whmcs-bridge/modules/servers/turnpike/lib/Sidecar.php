<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * The signed HTTP client. Nothing in an answer is trusted before its signature is checked, and no call outlives its
 * time limit, whatever listens at the other end.
 */
final class Sidecar
{
    public const CONNECT_MS = 1500;
    public const PAGE_MS = 3000;
    public const GLANCE_MS = 2000;
    public const TEST_MS = 8000;
    public const LIFECYCLE_MS = 25000;
    public const USAGE_MS = 30000;

    /** An answer longer than so many MiB is not read to its end. */
    private const MAX_MIB = 8;

    /** Answers with a row for each service: 80 to 400 bytes each, of a hundred thousand and more. */
    private const LISTS = ['hooks/usage-update', 'hooks/cron', 'hooks/list-accounts', 'hooks/metrics', 'v1/netflow'];
    private const MAX_LIST_MIB = 64;

    /** What an unsigned refusal may call itself, and what to do then; its own words are not shown. */
    private const UNSIGNED = [
        'signature-wrong' => [
            'Turnpike at %s does not accept the signature: the secret here is not the one it has',
            'run `turnpike pair` there and paste its code under Addons, Turnpike',
        ],
        'key-unknown' => [
            'Turnpike at %s does not know the key that WHMCS signs with',
            'run `turnpike pair` there and paste its code under Addons, Turnpike',
        ],
        'signature-missing' => [
            'Turnpike at %s did not see the signature: something between WHMCS and it removes headers',
            'look at the proxy in between, or pair with the address of Turnpike itself',
        ],
        'too-large' => [
            'The request was larger than Turnpike at %s accepts',
            'shorten what WHMCS holds for this server, such as its Assigned IP Addresses',
        ],
        'slow-down' => [
            'Turnpike at %s refuses this machine for a while, after too many wrongly signed requests from it',
            'wait a minute; if it comes back, run `turnpike pair` and paste its code under Addons, Turnpike',
        ],
    ];

    /** @var Pairing */
    private $pairing;

    public function __construct(Pairing $pairing)
    {
        $this->pairing = $pairing;
    }

    /**
     * Calls one hook and logs the exchange without its secrets.
     *
     * @param array<string, mixed> $body
     * @param int $limitMs the whole call takes no longer
     * @throws SidecarError
     */
    public function hook(string $hook, array $body, int $limitMs): Answer
    {
        $answer = $this->ask($hook, $body, $limitMs);
        Breaker::close();
        return $answer;
    }

    /**
     * @param array<string, mixed> $body
     * @throws SidecarError
     */
    private function ask(string $hook, array $body, int $limitMs): Answer
    {
        $json = self::encode($body);
        $log = new ModuleLog($hook, $body, [$this->pairing->key()]);
        try {
            return $this->call('POST', "/v1/hooks/$hook", $json, $limitMs, $log);
        } catch (SidecarError $error) {
            $log->failed($error);
            throw $error;
        }
    }

    /**
     * The same for a page that somebody waits for: while Turnpike was silent a moment ago, it is not asked.
     *
     * @param array<string, mixed> $body
     * @throws SidecarError
     */
    public function page(string $hook, array $body, int $limitMs = self::PAGE_MS): Answer
    {
        Breaker::check();
        try {
            return $this->ask($hook, $body, $limitMs);
        } catch (SidecarError $error) {
            Breaker::open($error);
            throw $error;
        }
    }

    /**
     * Reads one resource, resting as pages do.
     *
     * @param string $path from `/v1/` on, without a query
     * @throws SidecarError
     */
    public function read(string $path, int $limitMs = self::GLANCE_MS): Answer
    {
        Breaker::check();
        $log = new ModuleLog("GET $path", [], [$this->pairing->key()]);
        try {
            return $this->call('GET', $path, '', $limitMs, $log);
        } catch (SidecarError $error) {
            $log->failed($error);
            Breaker::open($error);
            throw $error;
        }
    }

    /**
     * One of the admin's pages, or what its form asks for. It does not rest: staff are to see that Turnpike is back.
     *
     * @param array<string, mixed> $body
     * @param string[] $secrets more strings that must never be logged
     * @throws SidecarError
     */
    public function admin(string $page, array $body, array $secrets, int $limitMs): Answer
    {
        $json = self::encode($body);
        $log = (new ModuleLog("page $page", $body, array_merge([$this->pairing->key()], $secrets)))->quiet();
        try {
            $answer = $this->call('POST', "/v1/admin/$page", $json, $limitMs, $log);
            Breaker::close();
            return $answer;
        } catch (SidecarError $error) {
            $log->failed($error);
            throw $error;
        }
    }

    /**
     * @throws SidecarError
     */
    private function call(string $method, string $path, string $json, int $limitMs, ModuleLog $log): Answer
    {
        $sentAt = time();
        $path = (string) parse_url($this->pairing->url(), PHP_URL_PATH) . $path;
        $signed = Signature::request(
            $method,
            $path,
            '',
            $json,
            $this->pairing->keyId(),
            $this->pairing->key(),
            $sentAt,
            bin2hex(random_bytes(16))
        );
        $lines = ['Accept: application/json, application/problem+json'];
        if ($method === 'POST') {
            array_push($lines, 'Content-Type: application/json', 'Expect:');
        }
        foreach ($signed as $name => $value) {
            $lines[] = "$name: $value";
        }
        [$status, $headers, $body] = $this->exchange($method, $path, $lines, $json, $limitMs);
        $verdict = Signature::answer(
            $status,
            $headers,
            $body,
            $signed['Signature'],
            $this->pairing->keyId(),
            $this->pairing->key(),
            time()
        );
        if ($verdict['fault'] !== '') {
            $log->unverified($status, $body);
            throw $this->unverified($status, $body, $verdict['fault']);
        }
        $data = json_decode($body, true, 64);
        $log->answered($status, $body, is_array($data) ? $data : []);
        if ($status >= 200 && $status < 300 && is_array($data)) {
            return new Answer($data, max(0, $verdict['created'] - time()) + min(0, $verdict['created'] - $sentAt));
        }
        throw $this->refused($status, is_array($data) ? $data : []);
    }

    /**
     * @param string[] $lines header lines
     * @return array{int, array<string, string>, string} status, lower-case headers, body
     * @throws SidecarError
     */
    private function exchange(string $method, string $path, array $lines, string $json, int $limitMs): array
    {
        $headers = [];
        $body = '';
        $tooLarge = false;
        $end = implode('/', array_slice(explode('/', $path), -2));
        $mebibytes = in_array($end, self::LISTS, true) ? self::MAX_LIST_MIB : self::MAX_MIB;
        $most = $mebibytes << 20;
        $origin = (string) preg_replace('~^(https?://[^/]+).*$~', '$1', $this->pairing->url());
        $curl = curl_init($origin . $path);
        if ($curl === false) {
            throw new SidecarError('bridge-failed', 'PHP could not start a request; is its curl extension complete?');
        }
        $sending = $method === 'POST' ? [CURLOPT_POST => true, CURLOPT_POSTFIELDS => $json] : [CURLOPT_HTTPGET => true];
        curl_setopt_array($curl, $sending + [
            CURLOPT_HTTPHEADER => $lines,
            CURLOPT_CONNECTTIMEOUT_MS => min(self::CONNECT_MS, $limitMs),
            CURLOPT_TIMEOUT_MS => $limitMs,
            CURLOPT_NOSIGNAL => true,
            CURLOPT_FOLLOWLOCATION => false,
            CURLOPT_PROTOCOLS => CURLPROTO_HTTP | CURLPROTO_HTTPS,
            CURLOPT_PROXY => '',
            CURLOPT_SSL_VERIFYPEER => true,
            CURLOPT_SSL_VERIFYHOST => 2,
            CURLOPT_HEADERFUNCTION => static function ($curl, string $line) use (&$headers): int {
                if (strncmp($line, 'HTTP/', 5) === 0) {
                    $headers = [];
                } elseif (strpos($line, ':') !== false && count($headers) < 200) {
                    [$name, $value] = explode(':', $line, 2);
                    $name = strtolower(trim($name));
                    $value = trim($value);
                    $headers[$name] = isset($headers[$name]) ? $headers[$name] . ', ' . $value : $value;
                }
                return strlen($line);
            },
            CURLOPT_WRITEFUNCTION => static function ($curl, string $part) use (&$body, &$tooLarge, $most): int {
                if (strlen($body) + strlen($part) > $most) {
                    $tooLarge = true;
                    return 0;
                }
                $body .= $part;
                return strlen($part);
            },
        ]);
        curl_exec($curl);
        $code = curl_errno($curl);
        $words = curl_error($curl);
        $status = (int) curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
        $connected = curl_getinfo($curl, CURLINFO_PRETRANSFER_TIME) > 0;
        if (PHP_VERSION_ID < 80000) {
            curl_close($curl);
        }
        if ($tooLarge) {
            throw $this->foreign('answer-too-large', "answered more than $mebibytes MiB");
        }
        if ($code !== 0) {
            throw $this->unreached($code, $words, $connected, $limitMs);
        }
        return [$status, $headers, $body];
    }

    private function unreached(int $code, string $words, bool $connected, int $limitMs): SidecarError
    {
        $url = $this->pairing->url();
        $seconds = rtrim(rtrim(number_format($limitMs / 1000, 1, '.', ''), '0'), '.');
        if ($connected) {
            $late = $code === CURLE_OPERATION_TIMEDOUT;
            return new SidecarError(
                $late ? 'timeout' : 'connection-lost',
                "Turnpike at $url " . ($late ? "did not answer within $seconds s" : "broke off its answer ($words)")
                . '; what was asked may have been done all the same, and asking again is safe'
            );
        }
        $certificate = [CURLE_SSL_CACERT, 51, 58, CURLE_SSL_CONNECT_ERROR, 77, 83, 90];
        if (in_array($code, $certificate, true)) {
            return new SidecarError(
                'tls',
                "The TLS certificate of Turnpike at $url could not be verified ($words); give it one that this machine"
                . ' trusts, or pair again with the right address'
            );
        }
        return new SidecarError(
            'unreachable',
            "Turnpike does not answer at $url ($words); start it, or look whether a firewall is between WHMCS and it,"
            . ' then try again'
        );
    }

    private function unverified(int $status, string $body, string $fault): SidecarError
    {
        if ($fault !== 'missing') {
            return $this->foreign(
                'answer-not-genuine',
                "answered HTTP $status with a signature that does not hold ($fault)"
            );
        }
        $problem = json_decode($body, true, 8);
        $code = is_array($problem) && is_string($problem['code'] ?? null) ? $problem['code'] : '';
        if (isset(self::UNSIGNED[$code])) {
            [$what, $advice] = self::UNSIGNED[$code];
            return new SidecarError($code, sprintf($what, $this->pairing->url()) . '; ' . $advice);
        }
        return $this->foreign('answer-unsigned', "answered HTTP $status without Turnpike's signature");
    }

    private function foreign(string $kind, string $what): SidecarError
    {
        return new SidecarError(
            $kind,
            'What listens at ' . $this->pairing->url() . " $what; it is not the Turnpike that WHMCS was paired with, or"
            . ' a proxy in between changes answers: check the address, or pair again'
        );
    }

    /**
     * @param array<string, mixed> $problem a verified answer
     */
    private function refused(int $status, array $problem): SidecarError
    {
        $text = static function (string $name) use ($problem): string {
            return is_string($problem[$name] ?? null) ? $problem[$name] : '';
        };
        $code = preg_match('/^[a-z0-9-]{1,40}$/', $text('code')) === 1 ? $text('code') : 'answer-strange';
        $detail = Text::sentence($text('detail'));
        if ($code === 'clock-skew') {
            $skew = $problem['skew_seconds'] ?? null;
            $detail = 'The clocks of WHMCS and Turnpike differ'
                . (is_int($skew) || is_float($skew) ? ' by ' . (int) abs($skew) . ' s' : '')
                . ' and more than 120 s is refused; set the clock of both machines by NTP';
        } elseif ($detail === '') {
            $detail = "Turnpike answered HTTP $status without saying why; its log says more";
        }
        return new SidecarError(
            $code,
            $detail,
            Text::reference($problem['reference'] ?? null),
            $text('customer_detail'),
            $problem,
            true
        );
    }

    /**
     * @param array<string, mixed> $body
     * @throws SidecarError when a value is not UTF-8: a password changed on its way would lock its owner out
     */
    private static function encode(array $body): string
    {
        $json = json_encode($body, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        if ($json === false) {
            throw new SidecarError(
                'bridge-failed',
                'A value of this service, its customer or its server in WHMCS is not valid UTF-8 text; save it anew'
            );
        }
        return $json;
    }
}
