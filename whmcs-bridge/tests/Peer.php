<?php

declare(strict_types=1);

namespace Turnpike\Tests;

/**
 * The scripted stand-in for Turnpike (`peer.php`) as the tests hold it.
 */
final class Peer
{
    /** @var string */
    public $secret;

    /** @var string */
    private $folder;

    /** @var resource */
    private $process;

    /** @var string */
    private $origin = '';

    public function __construct()
    {
        $this->secret = rtrim(strtr(base64_encode(random_bytes(32)), '+/', '-_'), '=');
        $this->folder = sys_get_temp_dir() . '/turnpike-peer-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
        $errors = "$this->folder/errors";
        $process = proc_open(
            [PHP_BINARY, '-S', '127.0.0.1:0', __DIR__ . '/peer.php'],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', $errors, 'w']],
            $pipes,
            null,
            ['TURNPIKE_PEER_FOLDER' => $this->folder, 'TURNPIKE_PEER_SECRET' => $this->secret] + getenv()
        );
        if ($process === false) {
            throw new \RuntimeException('PHP could not start its own web server');
        }
        $this->process = $process;
        $until = microtime(true) + 20;
        while (microtime(true) < $until && $this->origin === '') {
            if (preg_match('~\((http://127\.0\.0\.1:\d+)\)~', (string) file_get_contents($errors), $match) === 1) {
                $this->origin = $match[1];
            } else {
                usleep(10000);
            }
        }
        if ($this->origin === '') {
            throw new \RuntimeException('PHP\'s web server did not start: ' . file_get_contents($errors));
        }
    }

    public function stop(): void
    {
        proc_terminate($this->process);
        proc_close($this->process);
        array_map('unlink', (array) glob("$this->folder/*"));
        rmdir($this->folder);
    }

    /** Forgets what was asked and what to answer. */
    public function clear(): void
    {
        $files = ["$this->folder/requests", "$this->folder/answers", "$this->folder/ahead"];
        array_map('unlink', array_filter($files, 'is_file'));
    }

    public function url(string $manner = 'ok'): string
    {
        return "$this->origin/$manner";
    }

    public function code(string $manner = 'ok'): string
    {
        return self::codeOf($this->url($manner), $this->secret);
    }

    public static function codeOf(string $url, string $secret, string $key = 'whmcs'): string
    {
        $json = (string) json_encode(['url' => $url, 'key' => $key, 'secret' => $secret], JSON_UNESCAPED_SLASHES);
        return 'tp1_' . rtrim(strtr(base64_encode($json), '+/', '-_'), '=');
    }

    /** The seconds by which its clock is ahead. */
    public function ahead(int $seconds): void
    {
        file_put_contents("$this->folder/ahead", (string) $seconds);
    }

    /**
     * @param array<mixed> $body
     */
    public function answer(string $hook, array $body, int $status = 200): void
    {
        $answers = json_decode((string) @file_get_contents("$this->folder/answers"), true) ?: [];
        $answers[$hook] = [$status, $body];
        file_put_contents("$this->folder/answers", json_encode($answers));
    }

    /**
     * A refusal as Turnpike words it.
     *
     * @param array<string, mixed> $more
     */
    public function refuse(string $hook, int $status, string $code, string $detail, array $more = []): void
    {
        $this->answer($hook, $more + [
            'type' => "urn:turnpike:problem:$code",
            'title' => 'Title',
            'status' => $status,
            'detail' => $detail,
            'code' => $code,
            'reference' => 'ref-4711',
        ], $status);
    }

    /**
     * @return array<int, array<string, mixed>> what was asked: hook, genuine, input, raw, body
     */
    public function requests(): array
    {
        $lines = is_file("$this->folder/requests") ? (array) file("$this->folder/requests", FILE_IGNORE_NEW_LINES) : [];
        return array_map(static function (string $line): array {
            $request = json_decode($line, true);
            return $request + ['body' => json_decode($request['raw'], true)];
        }, $lines);
    }
}
