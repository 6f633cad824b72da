<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Rights;

/**
 * What staff see and do on a service's page: Turnpike's own words about the account, the buttons, and traffic to add.
 *
 * WHMCS prints labels and values as HTML, so everything is escaped here.
 */
final class AdminTab
{
    /** Services in these states may have an account; for others nobody is asked. */
    private const LIVING = ['Active', 'Suspended'];

    /**
     * @param mixed $params
     * @return array<string, string> label to HTML
     */
    public static function fields($params): array
    {
        $lang = Lang::ofAdmin();
        try {
            $params = Module::given($params);
            $id = (int) ($params['serviceid'] ?? 0);
            $status = $params['status'] ?? Capsule::table('tblhosting')->where('id', $id)->value('domainstatus');
            if ($id <= 0 || (int) ($params['addonId'] ?? 0) > 0 || !in_array($status, self::LIVING, true)) {
                return [];
            }
            $answer = Module::sidecar()->page('admin-tab', Params::body($params));
            Facts::fromAccount($id, $answer);
            $fields = self::said($id);
            foreach ($answer->rows('fields') as $row) {
                if (is_scalar($row['label'] ?? null) && is_scalar($row['value'] ?? null) && $row['value'] !== '') {
                    $fields[self::html((string) $row['label'])] = nl2br(self::html((string) $row['value']), false);
                }
            }
            if (self::mayChange()) {
                $fields[self::html($lang->get('add_traffic'))] = self::form($lang, $id);
            }
            return $fields;
        } catch (\Throwable $cause) {
            $error = Module::error('AdminServicesTabFields', $cause, $params);
            return self::said($id ?? 0)
                + ['Turnpike' => '<span class="text-danger">' . self::html($error->forAdmin()) . '</span>'];
        }
    }

    /**
     * Adds traffic when the page was saved with an amount. WHMCS takes no answer here, so it is kept for the page that
     * follows. The form's key makes a page that is saved twice add once; as long as nobody knows whether it was added,
     * the form comes again with the same key, so that asking again is safe.
     *
     * @param mixed $params
     */
    public static function save($params): void
    {
        $typed = self::posted('turnpike_add_gb');
        $params = Module::given($params);
        $id = (int) ($params['serviceid'] ?? 0);
        if ($typed === '' || ($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'POST') {
            self::giveUp($id);
            return;
        }
        $lang = Lang::ofAdmin();
        if (!self::mayChange()) {
            self::keep($id, $lang->get('role_refused'));
            return;
        }
        $key = self::posted('turnpike_add_key');
        $isSent = false;
        try {
            $bytes = Figures::fromGigabytes($typed, self::gigabyte($id, $params));
            if ($bytes === null || $bytes === 0 || preg_match('/^[0-9a-f]{32}$/', $key) !== 1) {
                self::keep($id, $lang->get('add_traffic_wrong', $typed));
                return;
            }
            $by = self::admin();
            $note = Text::sentence(Text::decode(self::posted('turnpike_add_note'))) . ($by === '' ? '' : " ($by)");
            $hook = ['bytes' => $bytes, 'key' => "whmcs-$key", 'note' => trim($note)];
            // where what is left goes with each renewal, a late one would take this too
            Renewals::goFirst($id);
            $isSent = true;
            $answer = Module::run('add-traffic', $params, $hook);
            self::settle($id, $key);
            self::keep($id, $lang->get('add_traffic_done', $typed) . ' ' . Text::sentence($answer->get('warning')));
        } catch (\Throwable $cause) {
            $error = Module::error('AdminServicesTabFieldsSave', $cause, $params);
            // a defect of ours may have come after the answer
            $mayBeAdded = $isSent && (!$cause instanceof SidecarError || $error->mayBeBooked());
            $isFirst = !self::isOpen($id, $key) && $error->kind() !== 'key-reused';
            if ($isSent && $error->isFinal() && !$isFirst) {
                self::settle($id, $key);
                self::keep($id, $lang->get('add_traffic_failed', $typed) . ' ' . $error->forAdmin());
            } elseif (!$mayBeAdded && !self::isOpen($id, $key)) {
                self::keep($id, $lang->get('add_traffic_undone', $typed) . ' ' . $error->forAdmin());
            } else {
                self::inDoubt($id, $typed, $error, $mayBeAdded, $lang);
            }
        }
    }

    /**
     * Nobody knows whether it was added, by this try or by an earlier one with the same key: the form keeps it. It
     * keeps one; of another that is in doubt beside it, the last entries tell.
     */
    private static function inDoubt(int $id, string $typed, SidecarError $error, bool $byThis, Lang $lang): void
    {
        $key = self::posted('turnpike_add_key');
        $isKept = self::isOpen($id, $key) || !isset($_SESSION['turnpike_adding'][$id]);
        if ($isKept && $byThis) {
            $others = is_array($_SESSION['turnpike_adding'] ?? null) ? $_SESSION['turnpike_adding'] : [];
            $note = Text::decode(self::posted('turnpike_add_note'));
            $open = [$id => ['key' => $key, 'gb' => $typed, 'note' => $note]] + $others;
            $_SESSION['turnpike_adding'] = array_slice($open, 0, 20, true);
        }
        $what = "it is not certain whether $typed GB were added to service $id: ";
        Module::note($what . $error->forAdmin(), Params::clientOf($id));
        $says = $lang->get($isKept ? 'add_traffic_unsure' : 'add_traffic_failed', $typed);
        self::keep($id, $says . ' ' . $error->forAdmin());
    }

    /** A form that held once more what is open, and was sent without an amount: staff want it no more. */
    private static function giveUp(int $id): void
    {
        if (is_string($_POST['turnpike_add_gb'] ?? null)) {
            self::settle($id, self::posted('turnpike_add_key'));
        }
    }

    /** What became of this key is known; another one, of a second window, stays open. */
    private static function settle(int $id, string $key): void
    {
        if (self::isOpen($id, $key)) {
            unset($_SESSION['turnpike_adding'][$id]);
        }
    }

    /** Whether it is this key with which something may have been added. */
    private static function isOpen(int $id, string $key): bool
    {
        return ($_SESSION['turnpike_adding'][$id]['key'] ?? null) === $key;
    }

    private static function posted(string $name): string
    {
        return is_string($_POST[$name] ?? null) ? trim($_POST[$name]) : '';
    }

    /**
     * Whether the role of the administrator who is logged in may change things. Where none is (WHMCS's API and cron),
     * WHMCS has settled it by permissions of its own.
     */
    public static function mayChange(): bool
    {
        if ((int) ($_SESSION['adminid'] ?? 0) === 0) {
            return true;
        }
        try {
            return Rights::ofAdmin()->canEdit();
        } catch (\Throwable $cause) {
            ModuleLog::defect('Rights', $cause, []);
            return false;
        }
    }

    /**
     * @return array<string, string> label to function
     */
    public static function buttons(): array
    {
        $buttons = [];
        if (!self::mayChange()) {
            return $buttons;
        }
        foreach (['ResetConnection', 'CollectNow', 'Reapply', 'Block', 'Unblock', 'ResetDay'] as $function) {
            $name = strtolower($function);
            $buttons[Lang::ofAdmin()->get("button_$name")] = $function;
        }
        return $buttons;
    }

    /** Who blocks, for the books. */
    public static function reason(): string
    {
        $by = self::admin();
        return $by === '' ? 'by staff in WHMCS' : "by $by in WHMCS";
    }

    /** The admin who is logged in, or ''. */
    private static function admin(): string
    {
        $id = (int) ($_SESSION['adminid'] ?? 0);
        $row = $id > 0 ? Capsule::table('tbladmins')->where('id', $id)->first() : null;
        $name = $row === null ? '' : Text::decode($row->firstname ?? '') . ' ' . Text::decode($row->lastname ?? '');
        return Text::sentence($name);
    }

    /**
     * How large a GB is here. Asked for when it is not known yet: it decides how much is added.
     *
     * @param array<mixed> $params
     * @throws \Throwable
     */
    private static function gigabyte(int $serviceId, array $params): int
    {
        $known = Facts::gigabyte($serviceId);
        if ($known !== null) {
            return $known;
        }
        $answer = Module::sidecar()->hook('client-area', Params::body($params), Sidecar::TEST_MS);
        Facts::fromPage($serviceId, $answer);
        return Figures::gigabyte($answer->part('traffic')['bytes_per_gb'] ?? null);
    }

    /** The form, blank or with what may have been added and may be asked for again. */
    private static function form(Lang $lang, int $serviceId): string
    {
        $open = $_SESSION['turnpike_adding'][$serviceId] ?? [];
        $key = $open['key'] ?? bin2hex(random_bytes(16));
        $field = static function (string $name, string $text, string $value, string $more): string {
            return '<input type="text" name="' . $name . '" value="' . self::html($value) . '" autocomplete="off"'
                . " $more aria-label=\"" . self::html($text) . '">';
        };
        $note = $lang->get('add_traffic_note');
        // each time: whoever saves the page for another reason sends this too
        $doubt = $open === [] ? '' : '<br><strong>' . self::html($lang->get('add_traffic_held', (string) $open['gb']))
            . '</strong>';
        return $field('turnpike_add_gb', $lang->get('add_traffic_gb'), $open['gb'] ?? '', 'size="8" inputmode="decimal"'
            . ' class="form-control input-100 input-inline" placeholder="GB"')
            . ' ' . $field('turnpike_add_note', $note, $open['note'] ?? '', 'size="40" maxlength="200"'
            . ' class="form-control input-300 input-inline" placeholder="' . self::html($note) . '"')
            . ' <input type="hidden" name="turnpike_add_key" value="' . self::html($key) . '"><br><small>'
            . self::html($lang->get('add_traffic_help')) . '</small>' . $doubt;
    }

    private static function keep(int $serviceId, string $sentence): void
    {
        $_SESSION['turnpike_said'] = [$serviceId => Text::sentence($sentence)];
    }

    /**
     * @return array<string, string>
     */
    private static function said(int $serviceId): array
    {
        $said = $_SESSION['turnpike_said'][$serviceId] ?? null;
        unset($_SESSION['turnpike_said']);
        return is_string($said) ? ['Turnpike' => '<strong role="status">' . self::html($said) . '</strong>'] : [];
    }

    private static function html(string $text): string
    {
        return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE, 'UTF-8');
    }
}
