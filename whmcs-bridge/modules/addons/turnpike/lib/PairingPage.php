<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Module\Server\Turnpike\Module;
use WHMCS\Module\Server\Turnpike\ModuleLog;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Params;
use WHMCS\Module\Server\Turnpike\Sidecar;
use WHMCS\Module\Server\Turnpike\SidecarError;

/**
 * The one page of the addon that Turnpike does not draw: joins WHMCS with Turnpike and says how they stand.
 *
 * The check is the hook `options` without a server: it changes nothing, and any answer that Turnpike signed proves
 * that address, key and secret are right, even one that refuses. A pasted code takes the place of the old one only
 * once it was proved, so a wrong paste breaks nothing.
 */
final class PairingPage
{
    /** From this difference on the page warns; from 120 s on Turnpike refuses. */
    private const CLOCK_SECONDS = 30;

    /** Signed answers that say the two do not agree, or that Turnpike cannot work now. */
    private const TROUBLE = ['clock-skew', 'nonce-reused', 'digest-wrong', 'database-unavailable', 'internal'];

    /** @var array<string, string> */
    private $texts;

    /** @var string */
    private $link;

    /** @var bool */
    private $mayPair;

    /**
     * @param array<mixed> $vars what WHMCS calls an addon's output with
     */
    private function __construct(array $vars, bool $mayPair)
    {
        $this->mayPair = $mayPair;
        $this->link = is_string($vars['modulelink'] ?? null) ? $vars['modulelink'] : 'addonmodules.php?module=turnpike';
        $given = is_array($vars['_lang'] ?? null) ? array_filter($vars['_lang'], 'is_string') : [];
        $this->texts = $given + self::english();
    }

    /**
     * The page as HTML. Whoever pairs decides who is told every password and whose HTML the addon shows: a role that
     * may change nothing sees how they stand, and no more.
     *
     * @param array<mixed> $vars
     */
    public static function output(array $vars, bool $mayPair): string
    {
        try {
            $page = new self($vars, $mayPair);
            return $page->page($page->submitted());
        } catch (\Throwable $cause) {
            ModuleLog::defect('Pairing', $cause, []);
            return '<div class="alert alert-danger">' . self::html(SidecarError::from($cause)->forAdmin()) . '</div>';
        }
    }

    /** Deals with a pasted code; returns what to say about it. */
    private function submitted(): string
    {
        if (($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'POST' || !is_string($_POST['pairing_code'] ?? null)) {
            return '';
        }
        if (!$this->mayPair) {
            return $this->box('danger', $this->text('not_allowed'));
        }
        if (!self::isOwnForm()) {
            return $this->box('danger', $this->text('form_expired'));
        }
        try {
            $pairing = Pairing::fromCode($_POST['pairing_code']);
            $found = $this->examine($pairing);
            if ($found['proved']) {
                $pairing->store();
                return $this->box('success', $this->text('saved'));
            }
            return $this->box('danger', $this->text('not_saved') . ' ' . $found['says']);
        } catch (SidecarError $error) {
            return $this->box('danger', $this->text('not_saved') . ' ' . $error->forAdmin());
        }
    }

    /**
     * Asks Turnpike.
     *
     * @return array{proved: bool, level: string, says: string, clock: int|null, version: string}
     */
    private function examine(Pairing $pairing): array
    {
        try {
            $answer = (new Sidecar($pairing))->hook('options', ['whmcs' => Params::whmcs()], Sidecar::TEST_MS);
            $version = $answer->get('version');
            return [
                'proved' => true,
                'level' => 'success',
                'says' => $this->text('connected'),
                'clock' => $answer->clockAhead(),
                'version' => is_string($version) ? $version : '',
            ];
        } catch (SidecarError $error) {
            $trouble = !$error->isVerified() || in_array($error->kind(), self::TROUBLE, true);
            return [
                'proved' => $error->isVerified(),
                'level' => $trouble ? ($error->isVerified() ? 'warning' : 'danger') : 'success',
                'says' => $trouble ? $error->forAdmin() : $this->text('connected'),
                'clock' => null,
                'version' => '',
            ];
        }
    }

    private function page(string $said): string
    {
        $state = '';
        try {
            $pairing = Pairing::stored();
            $found = $this->examine($pairing);
            $rows = [
                'state' => $found['says'],
                'address' => $pairing->url(),
                'key' => $pairing->keyId(),
                'clock' => $found['clock'] === null ? $this->text('unknown') : $this->clock($found['clock']),
                'version' => $found['version'] !== '' ? $found['version'] : $this->text('unknown'),
                'bridge' => Module::VERSION,
            ];
            $state = $this->box($found['level'], $found['says']) . $this->table($rows);
            if ($found['clock'] !== null && abs($found['clock']) >= self::CLOCK_SECONDS) {
                $state .= $this->box('warning', $this->text('clock_advice'));
            }
            if ($pairing->isPlainOverNetwork()) {
                $state .= $this->box('warning', $this->text('plain_advice'));
            }
            $heading = 'pair_again';
        } catch (SidecarError $error) {
            $state = $this->box('info', $error->forAdmin());
            $heading = 'pair';
        }
        return $said . $state . ($this->mayPair ? $this->form($heading) : '');
    }

    private function form(string $heading): string
    {
        $token = function_exists('generate_token') ? (string) generate_token('form') : '';
        $own = self::ownToken();
        return '<h3>' . $this->t($heading) . '</h3>'
            . '<p>' . $this->t('how') . '</p>'
            . '<form method="post" action="' . self::html($this->link) . '">' . $token
            . '<input type="hidden" name="turnpike_form" value="' . self::html($own) . '">'
            . '<div class="form-group" style="max-width:60em">'
            . '<label for="turnpikePairingCode">' . $this->t('code') . '</label>'
            . '<textarea class="form-control" id="turnpikePairingCode" name="pairing_code" rows="4" required'
            . ' autocomplete="off" spellcheck="false" placeholder="tp1_&hellip;"></textarea></div>'
            . '<button type="submit" class="btn btn-primary">' . $this->t('connect') . '</button></form>';
    }

    /** WHMCS's own token, where this version has one, and ours: each alone would do, neither is documented for addons. */
    public static function isOwnForm(): bool
    {
        $own = is_string($_SESSION['turnpike_form'] ?? null) ? $_SESSION['turnpike_form'] : '';
        $sent = is_string($_POST['turnpike_form'] ?? null) ? $_POST['turnpike_form'] : '';
        if ($own === '' || !hash_equals($own, $sent)) {
            return false;
        }
        return !function_exists('check_token') || check_token('WHMCS.admin.default') !== false;
    }

    public static function ownToken(): string
    {
        if (!is_string($_SESSION['turnpike_form'] ?? null) || $_SESSION['turnpike_form'] === '') {
            $_SESSION['turnpike_form'] = bin2hex(random_bytes(16));
        }
        return $_SESSION['turnpike_form'];
    }

    private function clock(int $ahead): string
    {
        if (abs($ahead) <= 1) {
            return $this->text('clock_agrees');
        }
        return str_replace('%s', (string) abs($ahead), $this->text($ahead > 0 ? 'clock_ahead' : 'clock_behind'));
    }

    /**
     * @param array<string, string> $rows
     */
    private function table(array $rows): string
    {
        $html = '';
        foreach ($rows as $name => $value) {
            $html .= '<tr><th scope="row">' . $this->t("row_$name") . '</th><td>' . self::html($value) . '</td></tr>';
        }
        return '<table class="table table-condensed table-sm" style="max-width:60em">' . $html . '</table>';
    }

    private function box(string $level, string $sentence): string
    {
        return '<div class="alert alert-' . $level . '" role="status">' . self::html($sentence) . '</div>';
    }

    private function text(string $key): string
    {
        return $this->texts[$key] ?? $key;
    }

    private function t(string $key): string
    {
        return self::html($this->text($key));
    }

    private static function html(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }

    /**
     * @return array<string, string>
     */
    private static function english(): array
    {
        $_ADDONLANG = [];
        include dirname(__DIR__) . '/lang/english.php';
        return $_ADDONLANG;
    }
}
