<?php

declare(strict_types=1);

namespace Turnpike\Tests;

/**
 * The real service: `turnpike init`, `pair` and `serve` in a folder of their own.
 */
final class Turnpike
{
    /** @var string */
    private $binary;

    /** @var string */
    private $folder;

    /** @var array<string, string> */
    private $environment;

    /** @var resource|null */
    private $process;

    /** @var string */
    private $ops;

    public function __construct(string $binary)
    {
        $this->binary = $binary;
        $this->folder = sys_get_temp_dir() . '/turnpike-service-' . bin2hex(random_bytes(6));
        mkdir($this->folder, 0700);
        $this->ops = self::freeAddress();
        $this->environment = [
            'TURNPIKE_HTTP__LISTEN' => self::freeAddress(),
            'TURNPIKE_OPS__LISTEN' => $this->ops,
            'TURNPIKE_MAIL__TRANSPORT' => 'whmcs',
            'TURNPIKE_COLLECT__POLL_SECONDS' => '0',
            'TURNPIKE_COLLECT__SANITY_FACTOR' => '0',
        ];
        $this->run(['init', '--dir', $this->folder]);
    }

    /** The pairing code as its owner would copy it. */
    public function code(): string
    {
        $said = $this->run(['pair', '--config', "$this->folder/turnpike.toml"]);
        if (preg_match('/tp1_\S+/', $said, $match) !== 1) {
            throw new \RuntimeException("turnpike pair said: $said");
        }
        return $match[0];
    }

    public function start(): void
    {
        $log = ['file', "$this->folder/log", 'a'];
        $process = proc_open(
            [$this->binary, 'serve', '--config', "$this->folder/turnpike.toml"],
            [['file', '/dev/null', 'r'], $log, $log],
            $pipes,
            $this->folder,
            $this->environment + getenv()
        );
        if ($process === false) {
            throw new \RuntimeException("$this->binary could not be started");
        }
        $this->process = $process;
        $until = microtime(true) + 60;
        while (!$this->isReady()) {
            if (microtime(true) > $until || !proc_get_status($process)['running']) {
                throw new \RuntimeException("turnpike serve did not become ready:\n" . $this->log());
            }
            usleep(50000);
        }
    }

    private function isReady(): bool
    {
        $curl = curl_init("http://$this->ops/readyz");
        curl_setopt_array($curl, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT_MS => 2000]);
        curl_exec($curl);
        return curl_getinfo($curl, CURLINFO_RESPONSE_CODE) === 200;
    }

    /** Ends it as an operator would; returns its exit status. */
    public function stop(): int
    {
        if ($this->process === null) {
            return 0;
        }
        proc_terminate($this->process);
        $until = microtime(true) + 30;
        do {
            $status = proc_get_status($this->process);
            usleep(20000);
        } while ($status['running'] && microtime(true) < $until);
        proc_close($this->process);
        $this->process = null;
        return $status['exitcode'];
    }

    public function log(): string
    {
        return (string) @file_get_contents("$this->folder/log");
    }

    public function remove(): void
    {
        $this->stop();
        array_map('unlink', array_filter((array) glob("$this->folder/*"), 'is_file'));
        @rmdir($this->folder);
    }

    /**
     * @param string[] $arguments
     */
    private function run(array $arguments): string
    {
        $process = proc_open(
            array_merge([$this->binary], $arguments),
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']],
            $pipes,
            $this->folder,
            $this->environment + getenv()
        );
        $said = (string) stream_get_contents($pipes[1]);
        $errors = (string) stream_get_contents($pipes[2]);
        if (proc_close($process) !== 0) {
            throw new \RuntimeException('turnpike ' . implode(' ', $arguments) . " failed: $errors");
        }
        return $said;
    }

    private static function freeAddress(): string
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = (string) stream_socket_get_name($socket, false);
        fclose($socket);
        return $name;
    }
}
