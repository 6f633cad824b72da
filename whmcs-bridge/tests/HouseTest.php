<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PhpParser\Node;
use PhpParser\NodeFinder;
use PhpParser\ParserFactory;
use PHPUnit\Framework\TestCase;

/**
 * What holds for every file of the modules: they run on PHP 7.4 to 8.3, and inside somebody else's program.
 */
final class HouseTest extends TestCase
{
    /** Functions that came after PHP 7.4. */
    private const LATER = ['str_contains', 'str_starts_with', 'str_ends_with', 'get_debug_type', 'get_resource_id',
        'fdiv', 'preg_last_error_msg', 'array_is_list', 'fsync', 'fdatasync', 'enum_exists', 'ini_parse_quantity',
        'curl_upgrade', 'memory_reset_peak_usage', 'json_validate', 'mb_str_pad', 'str_increment', 'str_decrement',
        'array_find', 'array_any', 'array_all', 'mb_trim', 'mb_ucfirst', 'mb_lcfirst'];

    protected function setUp(): void
    {
        Kernel::boot();
        require_once 'PhpParser/autoload.php';
    }

    protected function tearDown(): void
    {
        restore_error_handler();
    }

    /**
     * @dataProvider files
     */
    public function testTheSyntaxIsThatOfPhp74(string $file): void
    {
        self::assertSame([], self::tooNew((string) file_get_contents($file)));
    }

    /**
     * @dataProvider newer
     */
    public function testTheSyntaxCheckSeesWhatIsNewer(string $code): void
    {
        self::assertNotSame([], self::tooNew("<?php\n$code"));
    }

    /**
     * @return array<string, array{string}>
     */
    public function newer(): array
    {
        return [
            'match' => ['$a = match ($b) { default => 1 };'],
            'nullsafe property' => ['$a = $b?->c;'],
            'nullsafe call' => ['$a = $b?->c();'],
            'promotion' => ['class A { public function __construct(private int $a) {} }'],
            'named argument' => ['f(a: 1);'],
            'union type' => ['function f(int|string $a) {}'],
            'intersection type' => ['function f(): A&B {}'],
            'mixed' => ['function f(mixed $a) {}'],
            'static return' => ['class A { function f(): static {} }'],
            'never' => ['function f(): never {}'],
            'catch without a variable' => ['try { f(); } catch (E) { }'],
            'throw as expression' => ['$a = $b ?? throw new E();'],
            'enum' => ['enum A { case B; }'],
            'readonly property' => ['class A { public readonly int $a; }'],
            'first-class callable' => ['$f = g(...);'],
            'new in an initialiser' => ['function f($a = new A()) {}'],
            'attribute' => ["#[A]\nfunction f() {}"],
            'comma after the last parameter' => ["function f(\$a,\n) {}"],
            'comma after the last used variable' => ["\$f = function () use (\$a,\n) {};"],
            'a later function' => ['str_contains($a, $b);'],
            'class of an object' => ['$a::class;'],
            'octal prefix' => ['$a = 0o17;'],
            'typed constant' => ['class A { const int B = 1; }'],
            'string keys unpacked' => ['f(...["a" => 1]);'],
        ];
    }

    /**
     * @dataProvider files
     */
    public function testEachFileIsStrictAndHasNoByteBeforeOrAfterItsCode(string $file): void
    {
        $text = (string) file_get_contents($file);
        self::assertStringStartsWith("<?php\n", $text);
        self::assertStringContainsString("\ndeclare(strict_types=1);\n", $text);
        self::assertStringNotContainsString('?>', $text);
        self::assertStringNotContainsString("\r", $text);
        if (strpos($file, '/lib/') === false && strpos($file, '/lang/') === false) {
            self::assertStringContainsString("if (!defined('WHMCS')) {\n    die(", $text, 'direct calls are refused');
        }
    }

    public function testTheModulesUnderTestAreThoseThatWereAskedFor(): void
    {
        foreach ([\WHMCS\Module\Server\Turnpike\Module::class, \WHMCS\Module\Addon\Turnpike\Cron::class] as $class) {
            $file = (string) (new \ReflectionClass($class))->getFileName();
            self::assertStringStartsWith((string) realpath(Kernel::MODULES) . '/', $file);
        }
    }

    public function testBothModulesCanBeLoadedInOneRequest(): void
    {
        $names = [];
        foreach (['servers', 'addons'] as $kind) {
            $text = (string) file_get_contents(Kernel::MODULES . "/$kind/turnpike/turnpike.php");
            preg_match_all('/^function (\w+)/m', $text, $found);
            self::assertNotEmpty($found[1]);
            foreach ($found[1] as $name) {
                self::assertStringStartsWith('turnpike_', $name);
                $names[] = strtolower($name);
            }
        }
        self::assertSame($names, array_values(array_unique($names)), 'PHP does not tell upper from lower case here');
    }

    public function testTheModuleFileHoldsOneLinersOnly(): void
    {
        $code = (string) file_get_contents(Kernel::MODULES . '/servers/turnpike/turnpike.php');
        $functions = (new NodeFinder())->findInstanceOf(self::parse($code), Node\Stmt\Function_::class);
        self::assertCount(26, $functions);
        foreach ($functions as $function) {
            self::assertCount(1, $function->stmts, (string) $function->name);
            self::assertInstanceOf(Node\Stmt\Return_::class, $function->stmts[0]);
        }
    }

    /**
     * @dataProvider languages
     */
    public function testEveryTextThatIsAskedForExistsAndEveryTextIsAskedFor(string $language): void
    {
        $texts = require Kernel::MODULES . "/servers/turnpike/lang/$language.php";
        $asked = [];
        foreach ($this->modules('php') as $file) {
            if (preg_match('~/lang/|/(PairingPage|Pages)\.php$~', $file) === 0) {
                // lang->get('a'), ->get($x ? 'a' : 'b'), ->get("a_$b")
                $code = (string) file_get_contents($file);
                preg_match_all('/(?:lang|\))->get\((?!\[)((?:[^()]|\([^()]*\))*)\)/', $code, $calls);
                foreach ($calls[1] as $arguments) {
                    $first = (string) preg_replace('/^[^?]*\?/', '', explode(',', $arguments)[0]);
                    preg_match_all('/\'([a-z][a-z0-9_]+)\'|"([a-z_{}$0-9A-Z]+)"/', $first, $keys);
                    $asked = array_merge($asked, array_filter(array_merge($keys[1], $keys[2])));
                }
            }
        }
        preg_match_all('/\$turnpikeLang\.([a-z0-9_]+)/', $this->templates(), $inTemplates);
        self::assertGreaterThan(20, count(array_unique($inTemplates[1])));
        $this->assertTextsMatch($texts, array_merge($asked, $inTemplates[1]));
        $settings = [];
        foreach (\WHMCS\Module\Server\Turnpike\Settings::NAMES as $name) {
            array_push($settings, "setting_$name", "setting_{$name}_help");
        }
        self::assertSame($settings, array_values((array) preg_grep('/^setting_/', array_keys($texts))));
    }

    /**
     * @dataProvider languages
     */
    public function testTheSameHoldsForTheAddonsTexts(string $language): void
    {
        $_ADDONLANG = [];
        include Kernel::MODULES . "/addons/turnpike/lang/$language.php";
        $code = '';
        foreach (['PairingPage', 'Pages'] as $page) {
            $code .= file_get_contents(Kernel::MODULES . "/addons/turnpike/lib/$page.php");
        }
        preg_match_all('/->(?:t|text)\(([^()]*)\)/', $code, $calls);
        preg_match_all('/\'([a-z_]+)\'|"([a-z_$]+)"/', implode("\n", $calls[1]) . " 'pair' 'pair_again'", $keys);
        $this->assertTextsMatch($_ADDONLANG, array_filter(array_merge($keys[1], $keys[2])));
    }

    public function testTheLanguagesSayTheSameWithTheSameGaps(): void
    {
        $gaps = static function (array $texts): array {
            return array_map(static function (string $text): int {
                return substr_count($text, '%s');
            }, $texts);
        };
        $english = require Kernel::MODULES . '/servers/turnpike/lang/english.php';
        $polish = require Kernel::MODULES . '/servers/turnpike/lang/polish.php';
        self::assertSame($gaps($english), $gaps($polish), 'key by key, in the same order');
        $addon = [];
        foreach (['english', 'polish'] as $language) {
            $_ADDONLANG = [];
            include Kernel::MODULES . "/addons/turnpike/lang/$language.php";
            $addon[] = $gaps($_ADDONLANG);
        }
        self::assertSame($addon[0], $addon[1]);
        $same = array_intersect_assoc($english, $polish);
        self::assertLessThan(12, count($same), 'translated: ' . implode(', ', array_keys($same)));
    }

    /**
     * @return array<int, array{string}>
     */
    public function languages(): array
    {
        return [['english'], ['polish']];
    }

    /**
     * @param array<string, string> $texts
     * @param string[] $asked keys, some with variables in them
     */
    private function assertTextsMatch(array $texts, array $asked): void
    {
        $forms = [];
        foreach (array_unique($asked) as $key) {
            $form = '/^' . preg_replace('/\{?\$[a-zA-Z]+\}?/', '[a-z0-9_]+', $key) . '$/';
            self::assertNotEmpty(preg_grep($form, array_keys($texts)), "$key is missing");
            $forms[] = $form;
        }
        foreach (array_keys($texts) as $key) {
            $isAsked = array_filter($forms, static function (string $form) use ($key): bool {
                return preg_match($form, $key) === 1;
            });
            self::assertNotEmpty($isAsked, "$key is never used");
        }
    }

    public function testTemplatesEscapeEverythingAndStayInTheSharedSubsetOfSmarty(): void
    {
        preg_match_all('/\{(\$[^}]*)\}/', $this->templates(), $printed);
        self::assertGreaterThan(60, count($printed[1]));
        $raw = preg_grep('/\|escape$/', $printed[1], PREG_GREP_INVERT);
        self::assertSame(['$chart.svg'], array_values((array) $raw), 'all but the chart, which Svg has written itself');
        $unwanted = '/\{(php|include|insert|literal)\b|\?\?|\?->|<script|nofilter/';
        self::assertDoesNotMatchRegularExpression($unwanted, $this->templates());
        self::assertDoesNotMatchRegularExpression('/\son[a-z]+=|style=/', $this->templates());
    }

    public function testTheAppsPageFindsWhatItNeeds(): void
    {
        foreach (['servers', 'addons'] as $kind) {
            $folder = Kernel::MODULES . "/$kind/turnpike";
            $about = json_decode((string) file_get_contents("$folder/whmcs.json"), true);
            self::assertSame("whmcs-$kind", $about['type']);
            self::assertSame('MIT', $about['license']);
            $logo = (array) getimagesize("$folder/" . $about['logo']['filename']);
            self::assertSame([250, 62], array_slice($logo, 0, 2));
        }
    }

    public function testTheVersionIsTheSameEverywhere(): void
    {
        $version = \WHMCS\Module\Server\Turnpike\Module::VERSION;
        self::assertSame($version, turnpike_config()['version']);
        $manifest = (string) file_get_contents(__DIR__ . '/../../Cargo.toml');
        self::assertStringContainsString("\nversion = \"$version\"\n", $manifest, 'and that of the service');
    }

    /**
     * @return array<string, array{string}>
     */
    public function files(): array
    {
        $files = $this->modules('php');
        return (array) array_combine($files, array_map(static function (string $file): array {
            return [$file];
        }, $files));
    }

    /**
     * @return string[]
     */
    private function modules(string $ending): array
    {
        $all = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator((string) realpath(Kernel::MODULES)));
        $files = [];
        foreach ($all as $file) {
            if ($file->isFile() && $file->getExtension() === $ending) {
                $files[] = (string) $file;
            }
        }
        sort($files);
        return $files;
    }

    private function templates(): string
    {
        return implode("\n", array_map('file_get_contents', $this->modules('tpl')));
    }

    /**
     * @return Node[]
     */
    private static function parse(string $code): array
    {
        return (array) (new ParserFactory())->create(ParserFactory::ONLY_PHP7)->parse($code);
    }

    /**
     * @return string[] what PHP 7.4 would not understand, with its line
     */
    private static function tooNew(string $code): array
    {
        $found = [];
        try {
            $nodes = self::parse($code);
        } catch (\PhpParser\Error $error) {
            return [$error->getMessage()];
        }
        foreach ((new NodeFinder())->find($nodes, [self::class, 'isTooNew']) as $node) {
            $found[] = $node->getType() . ' in line ' . $node->getLine();
        }
        $tokens = array_values(array_filter(token_get_all($code), static function ($token): bool {
            return !is_array($token) || !in_array($token[0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true);
        }));
        $depth = 0;
        $list = [];
        foreach ($tokens as $index => $token) {
            if ($token === '(') {
                $before = [$tokens[$index - 1] ?? '', $tokens[$index - 2] ?? '', $tokens[$index - 3] ?? ''];
                $kinds = array_map(static function ($one) {
                    return is_array($one) ? $one[0] : $one;
                }, $before);
                $list[++$depth] = array_intersect([$kinds[0]], [T_FUNCTION, T_FN, T_USE]) !== []
                    || $kinds[1] === T_FUNCTION || ($kinds[1] === '&' && $kinds[2] === T_FUNCTION);
            } elseif ($token === ')') {
                if ($list[$depth] && $tokens[$index - 1] === ',') {
                    $found[] = 'a comma after the last parameter';
                }
                $depth--;
            } elseif (is_array($token) && $token[0] === T_LNUMBER && stripos($token[1], '0o') === 0) {
                $found[] = "the octal prefix in line $token[2]";
            }
        }
        return $found;
    }

    public static function isTooNew(Node $node): bool
    {
        $later = [Node\Expr\Match_::class, Node\Expr\NullsafePropertyFetch::class, Node\Expr\Throw_::class,
            Node\Expr\NullsafeMethodCall::class, Node\UnionType::class, Node\IntersectionType::class,
            Node\AttributeGroup::class, Node\Stmt\Enum_::class, Node\VariadicPlaceholder::class];
        foreach ($later as $class) {
            if ($node instanceof $class) {
                return true;
            }
        }
        $type = $node->returnType ?? $node->type ?? null;
        $type = $type instanceof Node\NullableType ? $type->type : $type;
        $name = $type instanceof Node\Name || $type instanceof Node\Identifier ? strtolower((string) $type) : '';
        $readonly = Node\Stmt\Class_::MODIFIER_READONLY;
        return in_array($name, ['mixed', 'static', 'never', 'null', 'false', 'true'], true)
            || ($node instanceof Node\Param && ($node->flags !== 0 || self::holdsNew($node->default)))
            || ($node instanceof Node\Arg && $node->name !== null)
            || ($node instanceof Node\Arg && $node->unpack && self::hasTextKeys($node->value))
            || ($node instanceof Node\Stmt\Catch_ && $node->var === null)
            || ($node instanceof Node\Stmt\Property && ($node->flags & $readonly) !== 0)
            || ($node instanceof Node\Stmt\Class_ && ($node->flags & $readonly) !== 0)
            || ($node instanceof Node\Expr\ClassConstFetch && $node->class instanceof Node\Expr
                && (string) $node->name === 'class')
            || ($node instanceof Node\Expr\FuncCall && $node->name instanceof Node\Name
                && in_array(strtolower((string) $node->name), self::LATER, true));
    }

    private static function holdsNew(?Node $default): bool
    {
        return $default !== null && (new NodeFinder())->findFirstInstanceOf([$default], Node\Expr\New_::class) !== null;
    }

    private static function hasTextKeys(Node $list): bool
    {
        foreach ($list instanceof Node\Expr\Array_ ? $list->items : [] as $item) {
            if ($item !== null && $item->key instanceof Node\Scalar\String_) {
                return true;
            }
        }
        return false;
    }
}
