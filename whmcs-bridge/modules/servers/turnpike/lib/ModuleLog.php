<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * One exchange in WHMCS's Module Log.
 *
 * WHMCS scrubs only the strings that it is given. So secrets are taken out twice: by the name of their field before
 * the text is made, and by `replaceVars` in every spelling in which they could come back (in a router's own words,
 * say). Signatures are never logged.
 */
final class ModuleLog
{
    private const HIDDEN = '********';

    /** Of a list that is longer, so many are shown: nobody reads a log of fifty thousand services. */
    private const MOST_SHOWN = 50;

    /** @var string */
    private $action;

    /** @var array<string, mixed> */
    private $request;

    /** @var string[] */
    private $secrets;

    /** @var string */
    private $response = '';

    /** @var bool */
    private $written = false;

    /** @var bool whether only what went wrong is written */
    private $quiet = false;

    /**
     * @param array<string, mixed> $request the body, in full
     * @param string[] $secrets more strings that must never be shown
     */
    public function __construct(string $action, array $request, array $secrets)
    {
        $this->action = $action;
        $this->request = $request;
        $this->secrets = $secrets;
        foreach ($secrets as $secret) {
            $this->secrets[] = base64_encode($secret);
            $this->secrets[] = rtrim(strtr(base64_encode($secret), '+/', '-_'), '=');
        }
    }

    /** Only what goes wrong is to be written: of pages, which are many and long. */
    public function quiet(): self
    {
        $this->quiet = true;
        return $this;
    }

    /**
     * A verified answer.
     *
     * @param array<string, mixed> $data
     */
    public function answered(int $status, string $body, array $data): void
    {
        $this->collect($data);
        $shown = $data === [] ? substr($body, 0, 2000) : self::pretty(self::masked(self::shortened($data)));
        $this->response = "HTTP $status\n$shown";
        if ($status < 300 && !$this->quiet) {
            $this->write('');
        }
    }

    /** An answer that nobody vouches for: its beginning, for the diagnosis. */
    public function unverified(int $status, string $body): void
    {
        $this->response = "HTTP $status (not verified)\n" . substr($body, 0, 1000);
    }

    public function failed(SidecarError $error): void
    {
        $this->write($error->forAdmin());
    }

    /**
     * A defect of the bridge itself: its message and where it happened, without arguments.
     *
     * @param array<mixed> $params what WHMCS called with; its secrets are scrubbed from the message
     * @param string $told what staff were told
     */
    public static function defect(string $action, \Throwable $cause, array $params, string $told = ''): void
    {
        $where = [get_class($cause) . ': ' . $cause->getMessage()];
        $thrown = ['file' => $cause->getFile(), 'line' => $cause->getLine()];
        foreach (array_slice(array_merge([$thrown], $cause->getTrace()), 0, 8) as $frame) {
            $where[] = basename($frame['file'] ?? '?') . ':' . ($frame['line'] ?? 0);
        }
        $psk = $params['configoption' . (1 + (int) array_search('l2tp_psk', Settings::NAMES, true))] ?? '';
        $log = new self($action, [], []);
        $log->collect(array_filter($params, 'is_scalar') + ['l2tp_psk' => $psk]);
        foreach ($log->secrets as $secret) {
            $log->secrets[] = Text::decode($secret);
        }
        $log->response = implode("\n", $where);
        $log->write($told);
    }

    private function write(string $processed): void
    {
        if ($this->written || !function_exists('logModuleCall')) {
            return;
        }
        $this->written = true;
        $this->collect($this->request);
        $request = self::pretty(self::masked($this->request));
        logModuleCall('turnpike', $this->action, $request, $this->response, $processed, $this->spellings());
    }

    /**
     * @param array<mixed> $data
     */
    private function collect(array $data): void
    {
        foreach ($data as $name => $value) {
            $value = $value instanceof \stdClass ? (array) $value : $value;
            if (is_array($value)) {
                $this->collect($value);
            } elseif (self::isSecret((string) $name) && is_scalar($value)) {
                $this->secrets[] = (string) $value;
            }
        }
    }

    private static function isSecret(string $name): bool
    {
        // `has_password` and `clear_password` say yes or no, and a log without every `on` could not be read
        return preg_match('/^(?!has_|clear_).*(password|secret|psk|token)$/is', $name) === 1;
    }

    /**
     * @param array<mixed> $data
     * @return array<mixed>
     */
    private static function masked(array $data): array
    {
        foreach ($data as $name => $value) {
            if (is_array($value)) {
                $data[$name] = self::masked($value);
            } elseif ($value instanceof \stdClass) {
                $data[$name] = (object) self::masked((array) $value);
            } elseif (self::isSecret((string) $name) && is_scalar($value) && (string) $value !== '') {
                $data[$name] = self::HIDDEN;
            }
        }
        return $data;
    }

    /**
     * @param array<mixed> $data
     * @return array<mixed>
     */
    private static function shortened(array $data): array
    {
        foreach ($data as $name => $value) {
            if (is_array($value) && count($value) > self::MOST_SHOWN) {
                $more = count($value) - self::MOST_SHOWN;
                $data[$name] = array_slice($value, 0, self::MOST_SHOWN, true) + ['and' => "$more more"];
            }
        }
        return $data;
    }

    /**
     * Every spelling of every secret, the longest first so that none is cut by a shorter one.
     *
     * @return string[]
     */
    private function spellings(): array
    {
        $all = [];
        foreach (array_unique($this->secrets) as $secret) {
            if ($secret === '') {
                continue;
            }
            $json = json_encode($secret, JSON_INVALID_UTF8_SUBSTITUTE);
            $flags = JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
            $bare = json_encode($secret, $flags);
            array_push(
                $all,
                $secret,
                substr((string) $json, 1, -1),
                substr((string) $bare, 1, -1),
                htmlspecialchars($secret, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8'),
                htmlentities($secret, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8'),
                htmlspecialchars($secret, ENT_COMPAT | ENT_SUBSTITUTE, 'UTF-8'),
                urlencode($secret),
                rawurlencode($secret)
            );
        }
        $all = array_values(array_unique($all));
        usort($all, static function (string $a, string $b): int {
            return strlen($b) - strlen($a);
        });
        return $all;
    }

    /**
     * @param array<mixed> $data
     */
    private static function pretty(array $data): string
    {
        $flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
        return (string) json_encode($data, $flags);
    }
}
