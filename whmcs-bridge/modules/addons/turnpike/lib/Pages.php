<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Answer;
use WHMCS\Module\Server\Turnpike\ModuleLog;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Renewals;
use WHMCS\Module\Server\Turnpike\Sidecar;
use WHMCS\Module\Server\Turnpike\SidecarError;
use WHMCS\Module\Server\Turnpike\Text;

/**
 * The addon's pages. Turnpike draws them; here it is only settled who asks, that a form is ours (WHMCS's token), and
 * what to do with the answer: show it, or go on to where it leads. The pairing page is drawn here, so it is there
 * although Turnpike is not.
 */
final class Pages
{
    private const PAIRING = 'pairing';

    /** @var array<string, string> */
    private $texts;

    /** @var string */
    private $link;

    /** @var array<mixed> */
    private $vars;

    /**
     * @param array<mixed> $vars what WHMCS calls an addon's output with
     */
    private function __construct(array $vars)
    {
        $this->vars = $vars;
        $this->link = is_string($vars['modulelink'] ?? null) ? $vars['modulelink'] : 'addonmodules.php?module=turnpike';
        $given = is_array($vars['_lang'] ?? null) ? array_filter($vars['_lang'], 'is_string') : [];
        $this->texts = $given + self::english();
    }

    /**
     * Shows the page, or leaves for the one that follows a change.
     *
     * @param array<mixed> $vars
     */
    public static function show(array $vars): void
    {
        $page = self::answer($vars);
        if ($page['location'] !== '' && !headers_sent()) {
            header('Location: ' . $page['location'], true, 303);
            exit;
        }
        echo $page['html'];
    }

    /**
     * The page as HTML, and where to go instead ('' for nowhere).
     *
     * @param array<mixed> $vars
     * @return array{html: string, location: string}
     */
    public static function answer(array $vars): array
    {
        try {
            return (new self($vars))->page();
        } catch (\Throwable $cause) {
            ModuleLog::defect('Pages', $cause, []);
            $says = self::html(SidecarError::from($cause)->forAdmin());
            return ['html' => '<div class="alert alert-danger" role="alert">' . $says . '</div>', 'location' => ''];
        }
    }

    /**
     * @return array{html: string, location: string}
     */
    private function page(): array
    {
        $query = self::typed($_GET, (string) ($_SERVER['QUERY_STRING'] ?? ''));
        $name = preg_match('/^[a-z-]{1,32}$/', $query['page'] ?? '') === 1 ? $query['page'] : 'overview';
        $who = $this->admin();
        $mayPair = $who[1]->canEdit();
        if ($name === self::PAIRING || isset($_POST['pairing_code'])) {
            return ['html' => $this->back() . PairingPage::output($this->vars, $mayPair), 'location' => ''];
        }
        try {
            $pairing = Pairing::stored();
        } catch (SidecarError $unpaired) {
            return ['html' => PairingPage::output($this->vars, $mayPair), 'location' => ''];
        }
        try {
            return $this->answered($this->ask(new Sidecar($pairing), $who, $name, $query));
        } catch (SidecarError $error) {
            return ['html' => $this->trouble($error) . $this->again($error, $query), 'location' => ''];
        }
    }

    /**
     * @param array{array<string, mixed>, Rights} $who
     * @param array<string, string> $query
     * @throws \Throwable
     */
    private function ask(Sidecar $sidecar, array $who, string $name, array $query): Answer
    {
        $flash = is_array($_SESSION['turnpike_flash'] ?? null) ? $_SESSION['turnpike_flash'] : null;
        unset($_SESSION['turnpike_flash']);
        $form = [];
        $limit = isset($query['look']) ? Sidecar::TEST_MS : (isset($query['examine']) ? Sidecar::USAGE_MS
            : Sidecar::PAGE_MS);
        if (($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'POST') {
            if (PairingPage::isOwnForm()) {
                $form = self::typed($_POST, (string) file_get_contents('php://input'));
                $limit = Sidecar::USAGE_MS;
            } else {
                $flash = ['level' => 'warning', 'text' => $this->text('page_expired')];
            }
        }
        [$admin, $rights] = $who;
        if (!$rights->allow($name, $query, $form)) {
            $form = [];
            $flash = ['level' => 'danger', 'text' => $this->text('not_allowed')];
            $name = $rights->plans()['view'] ? $name : 'overview';
        }
        if ($name === 'accounts' && ($form['do'] ?? '') === 'add') {
            // as on the service's page
            Renewals::goFirst((int) ($query['service'] ?? 0));
        }
        $token = $this->token();
        $secrets = array_merge(array_values($token), [$form['password'] ?? '']);
        $body = [
            'admin' => $admin,
            'link' => $this->link,
            'token' => (object) $token,
            'method' => $form === [] ? 'GET' : 'POST',
            'query' => (object) array_diff_key($query, ['module' => '', 'page' => '']),
            'form' => (object) array_diff_key($form, $token),
            'flash' => $flash,
            'service' => $name === 'netflow' ? self::service($form['service'] ?? $query['service'] ?? '') : null,
            'tabs' => [['name' => self::PAIRING, 'text' => $this->text('connection')]],
        ];
        return $sidecar->admin($name, $body, $secrets, $limit);
    }

    /**
     * @return array{html: string, location: string}
     */
    private function answered(Answer $answer): array
    {
        $html = $answer->get('html');
        $location = $answer->get('location');
        if (!is_string($location)) {
            return ['html' => is_string($html) ? $html : '', 'location' => ''];
        }
        $flash = array_filter($answer->part('flash'), 'is_string');
        if (isset($flash['level'], $flash['text'])) {
            $_SESSION['turnpike_flash'] = ['level' => $flash['level'], 'text' => $flash['text']];
        }
        $isOurs = strpos($location, $this->link) === 0 && preg_match('/[\x00-\x20\x7f]/', $location) === 0;
        $location = $isOurs ? $location : $this->link;
        $next = '<a href="' . self::html($location) . '">' . $this->t('page_done') . '</a>';
        return ['html' => "<p>$next</p>", 'location' => $location];
    }

    /** What is said instead of a page, with a way to try again and one to the pairing page. */
    private function trouble(SidecarError $error): string
    {
        $again = self::html($this->link);
        $pairing = self::html($this->link . '&page=' . self::PAIRING);
        return '<div class="alert alert-danger" role="alert"><p>' . self::html($error->forAdmin()) . '</p></div>'
            . '<p>' . $this->t('page_down') . '</p>'
            . '<p><a class="btn btn-default" href="' . $again . '">' . $this->t('page_again') . '</a>'
            . ' <a class="btn btn-default" href="' . $pairing . '">' . $this->t('connection')
            . '</a></p>';
    }

    /**
     * A form that may have been done although the answer was lost, to be sent again as it was: its key makes it count
     * once, which a form of a new page would not. One with a password is not shown; what it saves is the same twice.
     *
     * @param array<string, string> $query
     */
    private function again(SidecarError $error, array $query): string
    {
        $isSent = ($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'POST' && PairingPage::isOwnForm();
        $form = $isSent ? self::typed($_POST, (string) file_get_contents('php://input')) : [];
        if ($error->isFinal() || !isset($form['once']) || isset($form['password'])) {
            return '';
        }
        $address = $this->link . '&' . http_build_query(array_diff_key($query, ['module' => '']), '', '&');
        $fields = '';
        foreach ($this->token() + $form as $name => $value) {
            $fields .= '<input type="hidden" name="' . self::html((string) $name) . '" value="' . self::html($value)
                . '">';
        }
        return '<form method="post" action="' . self::html($address) . '">' . $fields . '<p>' . $this->t('page_unsure')
            . '</p><button type="submit" class="btn btn-primary">' . $this->t('page_send_again') . '</button></form>';
    }

    private function back(): string
    {
        $link = '<a href="' . self::html($this->link) . '">&larr; ' . $this->t('pages') . '</a>';
        return "<p>$link</p>";
    }

    /**
     * Who asks, and what this person's role may do.
     *
     * @return array{array<string, mixed>, Rights}
     */
    private function admin(): array
    {
        $name = '';
        $mine = [];
        try {
            $id = (int) ($_SESSION['adminid'] ?? 0);
            $row = $id > 0 ? Capsule::table('tbladmins')->where('id', $id)->first() : null;
            $name = Text::decode($row->username ?? '');
            $mine = Rights::called((int) ($row->roleid ?? 0));
        } catch (\Throwable $cause) {
            ModuleLog::defect('Pages', $cause, []);
        }
        $rights = new Rights($this->vars, $mine);
        return [[
            'name' => $name,
            'can_edit' => $rights->canEdit(),
            'plans' => $rights->plans(),
            'language' => is_string($_SESSION['adminlang'] ?? null) ? $_SESSION['adminlang'] : '',
        ], $rights];
    }

    /**
     * The hidden fields of every form: WHMCS's token, where this version has one, and ours.
     *
     * @return array<string, string>
     */
    private function token(): array
    {
        $token = ['turnpike_form' => PairingPage::ownToken()];
        $field = function_exists('generate_token') ? (string) generate_token('form') : '';
        if (
            preg_match('/name=["\']([^"\']+)["\']/', $field, $name) === 1
            && preg_match('/value=["\']([^"\']*)["\']/', $field, $value) === 1
        ) {
            $token[$name[1]] = html_entity_decode($value[1], ENT_QUOTES | ENT_HTML401, 'UTF-8');
        }
        return $token;
    }

    /**
     * What WHMCS knows of a service of any module, for the NetFlow Manager.
     *
     * @return array<string, mixed>|null
     */
    private static function service(string $id): ?array
    {
        $id = trim($id);
        if (!ctype_digit($id) || strlen($id) > 10 || (int) $id === 0) {
            return null;
        }
        $row = Capsule::table('tblhosting')->where('id', (int) $id)->first();
        if ($row === null) {
            return ['id' => (int) $id, 'found' => false];
        }
        $product = Capsule::table('tblproducts')->where('id', (int) $row->packageid)->value('name');
        $words = array_filter([Text::decode($product), Text::decode($row->domain ?? '')], 'strlen');
        return [
            'id' => (int) $id,
            'found' => true,
            'client_id' => (int) ($row->userid ?? 0),
            'label' => implode(', ', $words),
        ];
    }

    /**
     * A query or a form as it was typed. WHMCS encodes entities in its copies in some versions; the raw text tells
     * exactly what was sent, and where there is none (another kind of form) the copy is decoded.
     *
     * @param array<mixed> $copy
     * @return array<string, string>
     */
    private static function typed(array $copy, string $raw): array
    {
        parse_str($raw, $sent);
        $typed = [];
        foreach ($copy as $name => $value) {
            $own = $sent[$name] ?? null;
            if (is_string($value)) {
                $typed[(string) $name] = is_string($own) ? $own : Text::decode($value);
            }
        }
        return $typed;
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
