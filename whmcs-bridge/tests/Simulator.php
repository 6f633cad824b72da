<?php

declare(strict_types=1);

namespace Turnpike\Tests;

/**
 * A simulated router: `turnpike simulate`, steered line by line.
 */
final class Simulator
{
    /** @var array<string, mixed> what it said of itself */
    public $about;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private $pipes;

    public function __construct(string $binary)
    {
        $errors = ['file', '/dev/null', 'w'];
        $process = proc_open([$binary, 'simulate', '--port', '0'], [['pipe', 'r'], ['pipe', 'w'], $errors], $pipes);
        if ($process === false) {
            throw new \RuntimeException("$binary could not be started");
        }
        $this->process = $process;
        $this->pipes = $pipes;
        $this->about = $this->line();
    }

    /**
     * One control line and its answer.
     *
     * @param array<string, mixed> $order
     * @return array<mixed>
     */
    public function do(string $what, array $order = []): array
    {
        fwrite($this->pipes[0], json_encode(['do' => $what] + $order) . "\n");
        fflush($this->pipes[0]);
        return $this->line();
    }

    /**
     * The rows of a menu; of `ours` only those whose name is this one.
     *
     * @return array<int, array<string, string>>
     */
    public function rows(string $path, string $name): array
    {
        $answer = $this->do('print', ['path' => $path]);
        $rows = array_values(array_filter($answer['rows'] ?? $answer, 'is_array'));
        return array_values(array_filter($rows, static function (array $row) use ($name): bool {
            return ($row['name'] ?? '') === $name;
        }));
    }

    public function port(): int
    {
        return (int) substr((string) strrchr((string) $this->about['address'], ':'), 1);
    }

    public function stop(): void
    {
        fclose($this->pipes[0]);
        proc_terminate($this->process);
        proc_close($this->process);
    }

    /**
     * @return array<mixed>
     */
    private function line(): array
    {
        $read = [$this->pipes[1]];
        $none = null;
        if (stream_select($read, $none, $none, 30) !== 1) {
            throw new \RuntimeException('the simulator said nothing for 30 s');
        }
        $line = (string) fgets($this->pipes[1]);
        $answer = json_decode($line, true);
        if (!is_array($answer)) {
            throw new \RuntimeException("the simulator said: $line");
        }
        return $answer;
    }
}
