<?php

/**
 * Renders one of the module's templates: `render.php <3|4> <template>`, variables as JSON on standard input.
 */

declare(strict_types=1);

require_once __DIR__ . '/kernel.php';

$folder = sys_get_temp_dir() . '/turnpike-smarty-' . bin2hex(random_bytes(6));
mkdir($folder);
$smarty = \Turnpike\Tests\Kernel::smarty((int) $argv[1], $folder);
set_error_handler(static function (int $level, string $text, string $file) use ($folder): bool {
    if (strpos($file, $folder) === 0 && (error_reporting() & $level) !== 0) {
        throw new \RuntimeException("in the template: $text");
    }
    return true;
});
$smarty->assign(json_decode((string) stream_get_contents(STDIN), true));
try {
    $isOwn = strncmp($argv[2], '/', 1) !== 0;
    echo $smarty->fetch(($isOwn ? \Turnpike\Tests\Kernel::MODULES . '/servers/turnpike/' : '') . $argv[2]);
} catch (\Throwable $cause) {
    fwrite(STDERR, $cause->getMessage());
    $status = 1;
}
array_map('unlink', (array) glob("$folder/*"));
rmdir($folder);
exit($status ?? 0);
