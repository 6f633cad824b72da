<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The product e-mail templates that come with Turnpike. Created on activation where they are missing, and from then on
 * the owner's: never changed, never deleted.
 *
 * They stay within WHMCS's Smarty policy for mails: `if` and its kin, `escape` and plain variables alone.
 */
final class Templates
{
    public const WELCOME = 'VPN Welcome';
    public const THRESHOLD = 'VPN Traffic Low';
    public const SUSPENSION = 'VPN Traffic Used Up';
    public const SLOWED = 'VPN Speed Reduced';
    public const RESTORED = 'VPN Full Speed Again';

    /** The letters that Turnpike has built in, and what they are called in WHMCS. */
    private const BUILT_IN = ['threshold' => self::THRESHOLD, 'suspension' => self::SUSPENSION,
        'slowed' => self::SLOWED, 'restored' => self::RESTORED];

    /** Creates those that are missing; a translation only where WHMCS sends mails in that language already. */
    public static function install(): void
    {
        $columns = Capsule::schema()->getColumnListing('tblemailtemplates');
        foreach (['' => 'english', 'polish' => 'polish'] as $language => $file) {
            $isUsed = $language === ''
                || Capsule::table('tblemailtemplates')->where('language', $language)->exists();
            foreach ($isUsed ? self::texts($file) : [] as $name => $text) {
                $same = ['type' => 'product', 'name' => $name, 'language' => $language];
                if (Capsule::table('tblemailtemplates')->where($same)->exists()) {
                    continue;
                }
                $now = date('Y-m-d H:i:s');
                $row = $same + $text + [
                    'attachments' => '', 'fromname' => '', 'fromemail' => '', 'disabled' => 0, 'custom' => 1,
                    'copyto' => '', 'blind_copy_to' => '', 'plaintext' => 0, 'created_at' => $now, 'updated_at' => $now,
                ];
                Capsule::table('tblemailtemplates')->insert(array_intersect_key($row, array_flip($columns)));
            }
        }
    }

    /**
     * The template in WHMCS that a letter's name means; the product may name the built-in letter, or a template.
     */
    public static function named(string $template): string
    {
        $exists = Capsule::table('tblemailtemplates')->where('type', 'product')->where('name', $template)->exists();
        return $exists ? $template : (self::BUILT_IN[$template] ?? $template);
    }

    /** Whether WHMCS sends nothing by a template: its translations go by the one that all languages have. */
    public static function isDisabled(string $template): bool
    {
        $rows = Capsule::table('tblemailtemplates')->where('type', 'product')->where('name', $template)
            ->orderBy('language')->get()->all();
        return $rows !== [] && (int) ($rows[0]->disabled ?? 0) === 1;
    }

    /**
     * @return array<string, array{subject: string, message: string}> by name
     */
    private static function texts(string $file): array
    {
        return require dirname(__DIR__) . "/mails/$file.php";
    }
}
