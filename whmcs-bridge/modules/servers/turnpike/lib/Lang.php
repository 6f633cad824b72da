<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * The module's own texts. WHMCS loads none for server modules, so: `lang/english.php`, over it the language in use,
 * over both `lang/overrides/<language>.php`, which updates never touch. Each file returns an array.
 */
final class Lang
{
    /** @var array<string, string> */
    private $texts;

    /** @var string */
    private $name;

    public function __construct(string $language, ?string $folder = null)
    {
        $folder = $folder ?? dirname(__DIR__) . '/lang';
        $language = preg_match('/^[a-z][a-z0-9_-]{0,63}$/', $language) === 1 ? $language : 'english';
        $this->name = $language;
        $this->texts = [];
        foreach (array_unique(['english', $language]) as $name) {
            foreach (["$folder/$name.php", "$folder/overrides/$name.php"] as $file) {
                $texts = is_file($file) ? require $file : [];
                $this->texts = array_filter(is_array($texts) ? $texts : [], 'is_string') + $this->texts;
            }
        }
    }

    /**
     * In the customer's language.
     *
     * @param array<mixed> $params
     */
    public static function ofClient(array $params): self
    {
        return new self(self::first([
            $_SESSION['Language'] ?? '',
            $params['clientsdetails']['language'] ?? '',
            $GLOBALS['CONFIG']['Language'] ?? '',
        ]));
    }

    /** In the admin's language. */
    public static function ofAdmin(): self
    {
        return new self(self::first([$_SESSION['adminlang'] ?? '', $GLOBALS['CONFIG']['Language'] ?? '']));
    }

    /** WHMCS's name of the language. */
    public function name(): string
    {
        return $this->name;
    }

    /** The text, `%s` filled in; the key itself when there is none. */
    public function get(string $key, string ...$values): string
    {
        $text = $this->texts[$key] ?? $key;
        foreach ($values as $value) {
            $at = strpos($text, '%s');
            $text = $at === false ? $text : substr_replace($text, $value, $at, 2);
        }
        return $text;
    }

    /**
     * @return array<string, string>
     */
    public function all(): array
    {
        return $this->texts;
    }

    /**
     * @param array<mixed> $candidates
     */
    private static function first(array $candidates): string
    {
        foreach ($candidates as $candidate) {
            if (is_string($candidate) && $candidate !== '') {
                return strtolower($candidate);
            }
        }
        return 'english';
    }
}
