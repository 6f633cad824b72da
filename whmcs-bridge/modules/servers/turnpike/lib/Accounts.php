<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The accounts on a router in the form of WHMCS's Server Sync.
 */
final class Accounts
{
    /**
     * WHMCS matches them by user name and by the product field that `MetaData` names, the plan; of an account that it
     * knows, that one is told as WHMCS has it. A router knows no e-mail and no age of an account: the mark of ours in
     * its comment ends with the customer's address, and today stands for the day.
     *
     * @param array<int, array<string, mixed>> $rows the answer's `accounts`
     * @return array<int, array<string, string>>
     */
    public static function listed(array $rows): array
    {
        $names = array_column($rows, 'username');
        $plans = self::plans(array_filter($names, 'is_string'));
        $accounts = [];
        foreach ($rows as $row) {
            $name = $row['username'] ?? null;
            if (!is_string($name) || $name === '') {
                continue;
            }
            $address = filter_var($row['address'] ?? null, FILTER_VALIDATE_IP);
            $accounts[] = [
                'email' => self::email($row['comment'] ?? null),
                'username' => $name,
                'domain' => '',
                'uniqueIdentifier' => $name,
                'product' => $plans[$name] ?? '',
                'primaryip' => $address === false ? '' : $address,
                'created' => date('Y-m-d H:i:s'),
                'status' => self::status(($row['enabled'] ?? true) !== false),
            ];
        }
        return $accounts;
    }

    /**
     * @param string[] $names
     * @return array<string, string> user name to the plan of its product
     */
    private static function plans(array $names): array
    {
        $plans = [];
        foreach (array_chunk(array_unique($names), 200) as $some) {
            $rows = Capsule::table('tblhosting')->join('tblproducts', 'tblproducts.id', '=', 'tblhosting.packageid')
                ->where('tblproducts.servertype', 'turnpike')->whereIn('tblhosting.username', $some)
                ->get(['tblhosting.username', 'tblproducts.configoption1']);
            foreach ($rows as $row) {
                $plans[$row->username] = Text::decode($row->configoption1 ?? '');
            }
        }
        return $plans;
    }

    /**
     * @param mixed $comment
     */
    private static function email($comment): string
    {
        $end = is_string($comment) ? (string) strrchr($comment, '|') : '';
        return filter_var(substr($end, 1), FILTER_VALIDATE_EMAIL) === false ? '' : substr($end, 1);
    }

    private static function status(bool $enabled): string
    {
        $name = 'WHMCS\Service\Status::' . ($enabled ? 'ACTIVE' : 'SUSPENDED');
        return defined($name) ? (string) constant($name) : ($enabled ? 'Active' : 'Suspended');
    }
}
