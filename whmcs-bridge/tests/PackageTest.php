<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PHPUnit\Framework\TestCase;

/**
 * The zip that is unpacked over WHMCS's folder. `run` installs it, too, and runs the other tests on what was installed.
 */
final class PackageTest extends TestCase
{
    /** @var string */
    private $folder;

    protected function setUp(): void
    {
        $this->folder = sys_get_temp_dir() . '/turnpike-package-' . bin2hex(random_bytes(6));
        mkdir($this->folder);
    }

    protected function tearDown(): void
    {
        array_map('unlink', (array) glob("$this->folder/*"));
        rmdir($this->folder);
    }

    public function testTheSameFilesGiveTheSameBytesWhereverAndWheneverItIsMade(): void
    {
        $first = $this->build('a.zip', 'UTC', '022');
        self::assertSame($first, $this->build('b.zip', 'Asia/Tokyo', '077'));
    }

    public function testItHoldsWhatWhmcsNeedsAndNothingElse(): void
    {
        $this->build('a.zip', 'UTC', '022');
        $listed = $this->python('import sys, zipfile, json; print(json.dumps([[i.filename, i.external_attr >> 16]'
            . ' for i in zipfile.ZipFile(sys.argv[1]).infolist()]))', "$this->folder/a.zip");
        $entries = json_decode($listed, true);
        $names = array_column($entries, 0);
        $sorted = $names;
        sort($sorted, SORT_STRING);
        self::assertSame($sorted, $names);
        self::assertSame([0100644], array_values(array_unique(array_column($entries, 1))));
        self::assertSame([], preg_grep('~^modules/(addons|servers)/turnpike/~', $names, PREG_GREP_INVERT));
        self::assertSame([], preg_grep('#tests?/|\.phpunit|~$|\.zip$#', $names));
        foreach (
            ['servers/turnpike/turnpike.php', 'servers/turnpike/lang/polish.php', 'servers/turnpike/LICENSE',
            'servers/turnpike/templates/overview.tpl', 'servers/turnpike/assets/turnpike.css',
            'servers/turnpike/lang/overrides/.gitkeep', 'addons/turnpike/hooks.php', 'addons/turnpike/turnpike.php',
            'addons/turnpike/mails/english.php', 'addons/turnpike/LICENSE', 'addons/turnpike/README.md'] as $needed
        ) {
            self::assertContains("modules/$needed", $names);
        }
    }

    private function build(string $name, string $zone, string $mask): string
    {
        $command = 'umask ' . $mask . ' && exec python3 "$0" "$1"';
        $this->execute(['sh', '-c', $command, __DIR__ . '/../build', "$this->folder/$name"], ['TZ' => $zone]);
        return (string) file_get_contents("$this->folder/$name");
    }

    private function python(string $program, string $argument): string
    {
        return $this->execute(['python3', '-c', $program, $argument], []);
    }

    /**
     * @param string[] $command
     * @param array<string, string> $environment
     */
    private function execute(array $command, array $environment): string
    {
        $pipes = [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']];
        $process = proc_open($command, $pipes, $open, null, $environment + getenv());
        $said = (string) stream_get_contents($open[1]);
        $errors = (string) stream_get_contents($open[2]);
        self::assertSame(0, proc_close($process), $errors);
        return $said;
    }
}
