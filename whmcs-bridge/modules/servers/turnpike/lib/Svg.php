<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * Lets a chart of Turnpike's into the page, and nothing else.
 *
 * A chart stands inline, so that its letters keep their size and hovering tells its figures. What stands inline could
 * act, so everything in it must be on the lists below; one thing that is not, and there is no chart. What passed is
 * written anew from what was understood, so a browser cannot understand it differently.
 */
final class Svg
{
    private const SPACE = 'http://www.w3.org/2000/svg';
    private const MAX_BYTES = 262144;
    private const MAX_DEPTH = 8;

    private const ELEMENTS = ['svg', 'g', 'defs', 'pattern', 'rect', 'line', 'path', 'text', 'tspan', 'title', 'desc'];

    private const LENGTH = '-?\d{1,7}(?:\.\d{1,9})?(?:%|px)?';
    private const COLOUR = '#[0-9A-Fa-f]{3,8}|currentColor|none|transparent';
    private const ID = 'turnpike-[a-z0-9-]{1,40}';

    /** Attribute to what its value may be. Whatever could name an address, an event or another document is missing. */
    private const ATTRIBUTES = [
        'class' => 'turnpike-chart',
        'role' => 'img|presentation|none',
        'id' => self::ID,
        'aria-labelledby' => self::ID . '(?: ' . self::ID . ')*',
        'aria-describedby' => self::ID . '(?: ' . self::ID . ')*',
        'aria-hidden' => 'true|false',
        'viewBox' => '(?:-?[\d.]{1,12}[ ,]){3}[\d.]{1,12}',
        'preserveAspectRatio' => '[A-Za-z ]{1,30}',
        'x|y|x1|x2|y1|y2|dx|dy|width|height|rx|ry|font-size|stroke-width' => self::LENGTH,
        'fill|stroke' => self::COLOUR . '|url\(#' . self::ID . '\)',
        'fill-opacity|stroke-opacity|opacity' => '\d{0,3}(?:\.\d{1,6})?',
        'text-anchor' => 'start|middle|end',
        'font-weight' => 'normal|bold|\d{3}',
        'font-family' => 'sans-serif|monospace|inherit',
        'shape-rendering' => 'auto|crispEdges|geometricPrecision',
        'pointer-events' => 'all|none',
        'patternUnits' => 'userSpaceOnUse|objectBoundingBox',
        'transform|patternTransform' => '(?:rotate|translate|scale)\([-\d., ]{1,40}\)',
        'd' => '[MmLlHhVvZzCcSsQqTtAa\d\s,.eE+-]{1,20000}',
        'stroke-dasharray' => '[\d., ]{1,30}',
        'dominant-baseline' => '[a-z-]{1,20}',
        'style' => '(?:(?:display:block|box-sizing:border-box|overflow:(?:visible|hidden)|(?:max-)?(?:width|height):'
            . self::LENGTH . '|padding:' . self::LENGTH . '(?: ' . self::LENGTH . '){0,3})(?:;|$))+',
    ];

    /**
     * The chart as it may be printed, or '' when anything in it is not on the list.
     *
     * @param mixed $svg
     */
    public static function checked($svg): string
    {
        if (!is_string($svg) || $svg === '' || strlen($svg) > self::MAX_BYTES || !class_exists('DOMDocument')) {
            return '';
        }
        // no document type, so no entities; no processing instruction; no comment; no CDATA
        if (preg_match('/<[!?]/', $svg) === 1 || preg_match('//u', $svg) !== 1) {
            return '';
        }
        $document = new \DOMDocument();
        $before = libxml_use_internal_errors(true);
        $isRead = $document->loadXML($svg, LIBXML_NONET);
        libxml_clear_errors();
        libxml_use_internal_errors($before);
        $root = $document->documentElement;
        if (!$isRead || $root === null || $root->nodeName !== 'svg') {
            return '';
        }
        return self::written($root, 0) ?? '';
    }

    private static function written(\DOMElement $element, int $depth): ?string
    {
        $name = $element->nodeName;
        $isKnown = in_array($name, self::ELEMENTS, true) && $element->namespaceURI === self::SPACE;
        if (!$isKnown || $depth > self::MAX_DEPTH || ($name === 'svg') !== ($depth === 0)) {
            return null;
        }
        $html = "<$name";
        foreach ($element->attributes as $attribute) {
            if (!self::isAllowed($attribute->nodeName, $attribute->nodeValue)) {
                return null;
            }
            $html .= ' ' . $attribute->nodeName . '="' . self::escaped($attribute->nodeValue) . '"';
        }
        $html .= '>';
        foreach ($element->childNodes as $child) {
            if ($child instanceof \DOMElement) {
                $inner = self::written($child, $depth + 1);
                if ($inner === null) {
                    return null;
                }
                $html .= $inner;
            } elseif ($child->nodeType === XML_TEXT_NODE) {
                $html .= self::escaped((string) $child->nodeValue);
            } else {
                return null;
            }
        }
        return "$html</$name>";
    }

    private static function isAllowed(string $name, string $value): bool
    {
        foreach (self::ATTRIBUTES as $names => $form) {
            if (in_array($name, explode('|', $names), true)) {
                return preg_match("~^(?:$form)$~D", $value) === 1;
            }
        }
        return false;
    }

    private static function escaped(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }
}
