<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * Remembers for a short while that Turnpike does not answer, so that a hung one costs one page view its time limit and
 * not every page view of everybody. Only pages rest; whatever changes something always tries.
 *
 * A row for each among the addon's settings. Where it cannot be read or written, pages are as slow as without it.
 */
final class Breaker
{
    public const SECONDS = 30;

    /** Which pages rest: those of everybody. */
    public const PAGES = 'sidecar_down';

    /**
     * Looks at one account's usage metrics. What is read for one is of all accounts of its server: that it takes longer
     * says nothing of Turnpike for everybody's pages.
     */
    public const METRICS = 'metrics_down';

    /** What may cost a page its whole time. */
    private const SLOW = ['unreachable', 'timeout', 'connection-lost', 'tls'];

    /**
     * @throws SidecarError the failure that is being waited out
     */
    public static function check(string $which = self::PAGES): void
    {
        try {
            $noted = json_decode((string) self::setting($which)->value('value'), true);
        } catch (\Throwable $cause) {
            return;
        }
        $until = is_array($noted) ? ($noted['until'] ?? 0) : 0;
        // an end that is further off than it can be comes from a clock that was set back since
        if (!is_int($until) || $until <= time() || $until > time() + self::SECONDS) {
            return;
        }
        throw new SidecarError(
            in_array($noted['kind'] ?? '', self::SLOW, true) ? $noted['kind'] : 'unreachable',
            Text::sentence($noted['says'] ?? '') . ' (pages ask again after ' . self::SECONDS . ' s)',
            Text::reference($noted['reference'] ?? '')
        );
    }

    public static function open(SidecarError $error, string $which = self::PAGES): void
    {
        if (!in_array($error->kind(), self::SLOW, true)) {
            return;
        }
        $noted = [
            'until' => time() + self::SECONDS,
            'kind' => $error->kind(),
            'says' => $error->getMessage(),
            'reference' => $error->reference(),
        ];
        try {
            Capsule::table('tbladdonmodules')->updateOrInsert(
                ['module' => 'turnpike', 'setting' => $which],
                ['value' => (string) json_encode($noted, JSON_INVALID_UTF8_SUBSTITUTE)]
            );
        } catch (\Throwable $cause) {
            ModuleLog::defect('Breaker', $cause, []);
        }
    }

    public static function close(): void
    {
        try {
            self::setting()->delete();
        } catch (\Throwable $cause) {
            ModuleLog::defect('Breaker', $cause, []);
        }
    }

    /** Since when pages rest, as seconds from 1970; 0 when they do not. */
    public static function openSince(): int
    {
        try {
            self::check();
        } catch (SidecarError $error) {
            $noted = json_decode((string) self::setting()->value('value'), true);
            return (int) ($noted['until'] ?? 0) - self::SECONDS;
        }
        return 0;
    }

    /**
     * @return \Illuminate\Database\Query\Builder
     */
    private static function setting(string $which = self::PAGES)
    {
        return Capsule::table('tbladdonmodules')->where('module', 'turnpike')->where('setting', $which);
    }
}
