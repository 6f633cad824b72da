<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Text;

/**
 * What an administrator’s role may do, as the settings of the addon say: roles by name or number, with commas. Turnpike
 * holds every request to what is passed to it; here it is asked before anything is forwarded.
 */
final class Rights
{
    /** The pages about plans, each with what its address names a thing by. */
    private const PLAN_PAGES = ['plans' => 'plan', 'fup' => '', 'rules' => 'rule', 'cdn' => 'profile'];

    /** @var array<mixed> */
    private $settings;

    /** @var list<string> */
    private $mine;

    /**
     * @param array<mixed> $settings the addon's
     * @param list<string> $mine what the administrator's role is called: its number and its name in small letters
     */
    public function __construct(array $settings, array $mine)
    {
        $this->settings = $settings;
        $this->mine = $mine;
    }

    /** Those of the administrator who is logged in, where WHMCS hands over no settings of the addon's. */
    public static function ofAdmin(): self
    {
        $saved = Capsule::table('tbladdonmodules')->where('module', 'turnpike')->where('setting', 'edit_roles');
        $role = Capsule::table('tbladmins')->where('id', (int) ($_SESSION['adminid'] ?? 0))->value('roleid');
        return new self(['edit_roles' => (string) $saved->value('value')], self::called((int) $role));
    }

    /**
     * What a role is called in the settings: its number, and its name in small letters.
     *
     * @return list<string>
     */
    public static function called(int $role): array
    {
        $title = $role > 0 ? Capsule::table('tbladminroles')->where('id', $role)->value('name') : '';
        return $role > 0 ? [(string) $role, strtolower(trim(Text::decode($title)))] : [];
    }

    public function canEdit(): bool
    {
        return $this->listed('edit_roles', true);
    }

    /**
     * Where no role is named, everybody looks, and whoever may change things may do the rest.
     *
     * @return array{view: bool, create: bool, edit: bool, delete: bool}
     */
    public function plans(): array
    {
        $edit = $this->canEdit();
        return [
            'view' => $this->listed('plan_view_roles', true),
            'create' => $this->listed('plan_create_roles', $edit),
            'edit' => $this->listed('plan_edit_roles', $edit),
            'delete' => $this->listed('plan_delete_roles', $edit),
        ];
    }

    /**
     * Whether what is asked of a page may be.
     *
     * @param array<string, string> $query
     * @param array<string, string> $form empty where the page is only looked at
     */
    public function allow(string $page, array $query, array $form): bool
    {
        if (!isset(self::PLAN_PAGES[$page])) {
            return true;
        }
        $may = $this->plans();
        $what = $form['do'] ?? '';
        if ($form === [] || !$may['view']) {
            return $may['view'];
        }
        if ($what === 'delete') {
            return $may['delete'];
        }
        return $what === 'save' && isset($query[self::PLAN_PAGES[$page]]) ? $may['edit'] : $may['create'];
    }

    private function listed(string $setting, bool $otherwise): bool
    {
        $wanted = is_string($this->settings[$setting] ?? null) ? Text::decode($this->settings[$setting]) : '';
        $roles = array_filter(array_map('trim', explode(',', strtolower($wanted))), 'strlen');
        return $roles === [] ? $otherwise : array_intersect($this->mine, $roles) !== [];
    }
}
