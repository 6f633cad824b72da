<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use PHPUnit\Framework\TestCase;
use WHMCS\Module\Server\Turnpike\Svg;

/**
 * What of a chart may enter the page.
 */
final class SvgTest extends TestCase
{
    private const OPEN = '<svg xmlns="http://www.w3.org/2000/svg" class="turnpike-chart">';

    protected function setUp(): void
    {
        Kernel::boot();
    }

    protected function tearDown(): void
    {
        restore_error_handler();
        self::assertSame([], Kernel::$notices);
    }

    public function testAChartAsTurnpikeDrawsItPassesWhole(): void
    {
        $chart = '<svg xmlns="http://www.w3.org/2000/svg" class="turnpike-chart" role="img" aria-labelledby="turnpike-'
            . 'days-title turnpike-days-desc" width="100%" height="310" style="display:block;box-sizing:border-box;'
            . 'width:100%;height:310px;padding:0 6px 0 38px;overflow:visible" font-size="12" fill="currentColor">'
            . '<title id="turnpike-days-title">Traffic &lt;b&gt; &amp; more</title>'
            . '<desc id="turnpike-days-desc">Total: download 1.5 GB</desc>'
            . '<defs><pattern id="turnpike-days-up" width="5" height="5" patternUnits="userSpaceOnUse"'
            . ' patternTransform="rotate(45)"><rect width="2" height="5" fill="#c2620e" fill-opacity="0.2"/></pattern>'
            . '</defs><g stroke="currentColor" stroke-opacity="0.16" shape-rendering="crispEdges"><line x1="0%"'
            . ' x2="100%" y1="2" y2="2"/></g><g><title>2026-11-19: 1</title><rect x="96.6667%" y="48"'
            . ' width="3.3333%" height="220"'
            . ' fill="none" pointer-events="all"/><rect x="1%" y="20.5" width="1%" height="247.5"'
            . ' fill="url(#turnpike-days-up)" stroke="#c2620e" stroke-width="1" rx="1.5"/></g>'
            . '<text x="-7" y="12" dy="4" text-anchor="end" font-size="11">GB</text></svg>';
        $shown = Svg::checked($chart);
        self::assertStringStartsWith('<svg class="turnpike-chart" role="img"', $shown);
        self::assertStringContainsString('-title">Traffic &lt;b&gt; &amp; more</title>', $shown);
        self::assertStringContainsString('fill="url(#turnpike-days-up)"', $shown);
        self::assertSame(substr_count($chart, '<rect'), substr_count($shown, '<rect'));
        $again = Svg::checked(str_replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ', $shown));
        self::assertSame($shown, $again, 'what was written is understood as it was meant');
    }

    /**
     * @dataProvider unwanted
     */
    public function testOneThingThatIsNotOnTheListAndThereIsNoChart(string $svg): void
    {
        self::assertSame('', Svg::checked($svg));
    }

    /**
     * @return array<string, array{string}>
     */
    public function unwanted(): array
    {
        $with = static function (string $inside): array {
            return [self::OPEN . $inside . '</svg>'];
        };
        $root = static function (string $attribute): array {
            return ["<svg xmlns=\"http://www.w3.org/2000/svg\" $attribute></svg>"];
        };
        return [
            'a script' => $with('<script>alert(1)</script>'),
            'an event' => $with('<g onclick="alert(1)"></g>'),
            'an event on the root' => $root('onload="alert(1)"'),
            'an event in capitals' => $with('<g ONCLICK="alert(1)"></g>'),
            'a link' => $with('<a href="https://example.net/">x</a>'),
            'an image' => $with('<image href="https://example.net/x.png"/>'),
            'a reference' => $with('<use href="#x"/>'),
            'an attribute of XLink' => ['<svg xmlns="http://www.w3.org/2000/svg"'
                . ' xmlns:xlink="http://www.w3.org/1999/xlink"><g xlink:href="javascript:alert(1)"/></svg>'],
            'foreign content' => $with('<foreignObject><p>x</p></foreignObject>'),
            'HTML by its namespace' => $with('<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>'),
            'another namespace' => $with('<g xmlns="http://www.w3.org/1999/xhtml"/>'),
            'a root without a namespace' => ['<svg class="turnpike-chart"></svg>'],
            'a style sheet' => $with('<style>* { background: url(https://example.net/) }</style>'),
            'a style that loads' => $root('style="background:url(https://example.net/)"'),
            'a style that covers the page' => $root('style="position:fixed;width:100%"'),
            'a style in a comment\'s clothes' => $root('style="width:100%;/**/position:fixed"'),
            'a fill from elsewhere' => $with('<rect fill="url(https://example.net/#a)"/>'),
            'a fill from this page' => $with('<rect fill="url(#password)"/>'),
            'a fill with an end of line' => $with('<rect fill="none&#10;"/>'),
            'an id of somebody else' => $with('<g id="main-body"/>'),
            'a class of somebody else' => $with('<g class="modal-backdrop"/>'),
            'an animation' => $with('<animate attributeName="x"/>'),
            'a set' => $with('<set attributeName="href" to="javascript:alert(1)"/>'),
            'an unknown attribute' => $with('<g data-x="1"/>'),
            'a document type' => ['<!DOCTYPE svg [<!ENTITY a "b">]>' . self::OPEN . '&a;</svg>'],
            'an entity that nobody declared' => $with('&nbsp;'),
            'a comment' => $with('<!-- <script> -->'),
            'a CDATA section' => $with('<text><![CDATA[</svg><script>alert(1)</script>]]></text>'),
            'a processing instruction' => ['<?xml-stylesheet href="x"?>' . self::OPEN . '</svg>'],
            'an SVG in an SVG' => $with('<svg class="turnpike-chart"/>'),
            'no SVG' => ['<g xmlns="http://www.w3.org/2000/svg"/>'],
            'two roots' => [self::OPEN . '</svg><script>alert(1)</script>'],
            'no XML' => [self::OPEN . '<g>'],
            'bytes that are no text' => $with("<text>\xff</text>"),
            'nothing' => [''],
            'too much' => $with(str_repeat('<g/>', 70000)),
            'too deep' => $with(str_repeat('<g>', 5000) . str_repeat('</g>', 5000)),
        ];
    }

    public function testWhatIsNoTextIsNoChart(): void
    {
        foreach ([null, 7, [], false] as $value) {
            self::assertSame('', Svg::checked($value));
        }
    }

    public function testMarkupInWordsStaysWords(): void
    {
        $words = '&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;"\'';
        $shown = Svg::checked(self::OPEN . "<title>$words</title></svg>");
        self::assertStringContainsString('<title>&lt;/title&gt;&lt;script&gt;alert(1)', $shown);
        self::assertStringNotContainsString('<script', $shown);
    }
}
