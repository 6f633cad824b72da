<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

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
            $fields[self::html($lang->get('add_traffic'))] = self::form($lang);
            return $fields;
        } catch (\Throwable $cause) {
            $error = Module::error('AdminServicesTabFields', $cause, $params);
            return self::said($id ?? 0)
                + ['Turnpike' => '<span class="text-danger">' . self::html($error->forAdmin()) . '</span>'];
        }
    }

    /**
     * Adds traffic when the page was saved with an amount. WHMCS takes no answer here, so it is kept for the page that
     * follows. The form's key makes a page that is saved twice add once.
     *
     * @param mixed $params
     */
    public static function save($params): void
    {
        $typed = is_string($_POST['turnpike_add_gb'] ?? null) ? trim($_POST['turnpike_add_gb']) : '';
        if ($typed === '' || ($_SERVER['REQUEST_METHOD'] ?? 'GET') !== 'POST') {
            return;
        }
        $params = Module::given($params);
        $lang = Lang::ofAdmin();
        $id = (int) ($params['serviceid'] ?? 0);
        try {
            $key = is_string($_POST['turnpike_add_key'] ?? null) ? $_POST['turnpike_add_key'] : '';
            $bytes = Figures::fromGigabytes($typed, self::gigabyte($id, $params));
            if ($bytes === null || $bytes === 0 || preg_match('/^[0-9a-f]{32}$/', $key) !== 1) {
                self::keep($id, $lang->get('add_traffic_wrong', $typed));
                return;
            }
            $note = is_string($_POST['turnpike_add_note'] ?? null) ? Text::decode($_POST['turnpike_add_note']) : '';
            $by = self::admin();
            $note = trim(Text::sentence($note) . ($by === '' ? '' : " ($by)"));
            $hook = ['bytes' => $bytes, 'key' => "whmcs-$key", 'note' => $note];
            Module::run('add-traffic', $params, $hook);
            self::keep($id, $lang->get('add_traffic_done', $typed));
        } catch (\Throwable $cause) {
            $error = Module::error('AdminServicesTabFieldsSave', $cause, $params);
            self::keep($id, $lang->get('add_traffic_failed', $typed) . ' ' . $error->forAdmin());
        }
    }

    /**
     * @return array<string, string> label to function
     */
    public static function buttons(): array
    {
        $buttons = [];
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

    private static function form(Lang $lang): string
    {
        return '<input type="text" name="turnpike_add_gb" size="8" inputmode="decimal" autocomplete="off"'
            . ' class="form-control input-100 input-inline" placeholder="GB" aria-label="'
            . self::html($lang->get('add_traffic_gb')) . '"> <input type="text" name="turnpike_add_note" size="40"'
            . ' maxlength="200" autocomplete="off" class="form-control input-300 input-inline" placeholder="'
            . self::html($lang->get('add_traffic_note')) . '" aria-label="'
            . self::html($lang->get('add_traffic_note')) . '"> <input type="hidden" name="turnpike_add_key" value="'
            . bin2hex(random_bytes(16)) . '"><br><small>' . self::html($lang->get('add_traffic_help')) . '</small>';
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
