<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * Values on their way in from WHMCS, and sentences on their way out to it.
 */
final class Text
{
    /**
     * A value as its owner typed it: WHMCS hands form values over entity-encoded (`a&b` arrives as `a&amp;b`).
     * Decoded exactly once, so a value is never passed through here twice.
     *
     * @param mixed $value
     */
    public static function decode($value): string
    {
        if (is_bool($value)) {
            return $value ? 'on' : '';
        }
        return is_scalar($value) ? html_entity_decode((string) $value, ENT_QUOTES | ENT_HTML401, 'UTF-8') : '';
    }

    /**
     * One line that is safe where WHMCS prints it unescaped: no markup, no control characters, at most 600 bytes.
     *
     * @param mixed $value
     */
    public static function sentence($value): string
    {
        $text = is_scalar($value) ? (string) $value : '';
        if (preg_match('//u', $text) !== 1) {
            $text = (string) preg_replace('/[^\x20-\x7e]+/', '?', $text);
        }
        $text = trim((string) preg_replace('/[\p{C}\s]+/u', ' ', $text));
        $text = str_replace(['<', '>'], ["\u{2039}", "\u{203a}"], $text);
        if (strlen($text) > 600) {
            $text = (string) preg_replace('/[\x80-\xff]*$/', '', substr($text, 0, 597)) . "\u{2026}";
        }
        return $text;
    }

    /**
     * The short name that finds a log line, or '' when it is none.
     *
     * @param mixed $value
     */
    public static function reference($value): string
    {
        return is_string($value) && preg_match('/^[A-Za-z0-9._-]{1,64}$/', $value) === 1 ? $value : '';
    }

    /** URL-safe base64 without padding; null when it is none. */
    public static function fromBase64Url(string $text): ?string
    {
        if (preg_match('/^[A-Za-z0-9_-]*={0,2}$/', $text) !== 1) {
            return null;
        }
        $bytes = base64_decode(strtr(rtrim($text, '='), '-_', '+/'), true);
        return $bytes === false ? null : $bytes;
    }
}
