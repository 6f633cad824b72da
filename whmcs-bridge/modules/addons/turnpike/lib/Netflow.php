<?php

declare(strict_types=1);

namespace WHMCS\Module\Addon\Turnpike;

use WHMCS\Module\Server\Turnpike\Answer;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Pairing;
use WHMCS\Module\Server\Turnpike\Sidecar;
use WHMCS\Module\Server\Turnpike\SidecarError;

/**
 * The NetFlow access records of services of any module, kept among the facts so that mails and pages need no network.
 * A record that is gone or disabled is forgotten at the next cron run.
 */
final class Netflow
{
    public const FIELDS = ['netflow_enabled', 'netflow_url', 'netflow_username', 'netflow_password', 'netflow_group',
        'netflow_ip_address'];

    /** A cron run spends no longer than this on them; the rest follows in the next runs. */
    private const SECONDS = 10;

    /**
     * Brings what is known up to date, those first that were looked at longest ago. What is known stays when Turnpike
     * does not answer.
     *
     * @throws SidecarError
     */
    public static function refreshAll(): void
    {
        $until = time() + self::SECONDS;
        $known = Facts::all();
        $enabled = [];
        $sidecar = new Sidecar(Pairing::stored());
        $answer = $sidecar->read('/v1/netflow', Sidecar::TEST_MS);
        foreach ($answer->rows('records') as $record) {
            if (is_int($record['service_id'] ?? null) && ($record['enabled'] ?? false) === true) {
                $enabled[$record['service_id']] = $known[$record['service_id']]['netflow_at'] ?? 0;
            }
        }
        asort($enabled);
        foreach (array_keys($enabled) as $serviceId) {
            if (time() >= $until) {
                break;
            }
            self::read($sidecar, $serviceId);
        }
        $gone = array_filter(array_diff_key($known, $enabled), static function (array $facts): bool {
            return isset($facts['netflow_at']);
        });
        Facts::learn(array_map(static function (): array {
            return ['netflow' => null, 'netflow_at' => null];
        }, $gone));
    }

    /** The same for one service, at once; what is known stays when Turnpike does not answer. */
    public static function refresh(int $serviceId): void
    {
        try {
            self::read(new Sidecar(Pairing::stored()), $serviceId);
        } catch (SidecarError $error) {
            if ($error->isVerified() && in_array($error->kind(), ['no-such-record', 'no-such-service'], true)) {
                Facts::learn([$serviceId => ['netflow' => null, 'netflow_at' => null]]);
            }
        }
    }

    /**
     * @throws SidecarError
     */
    private static function read(Sidecar $sidecar, int $serviceId): void
    {
        $fields = self::fields($sidecar->read("/v1/netflow/$serviceId/merge-fields"));
        $client = $sidecar->read("/v1/netflow/$serviceId/client");
        $shown = ['visible' => $client->get('visible') === true];
        foreach (['url', 'username', 'group', 'ip_address', 'password'] as $name) {
            if (is_string($client->get($name))) {
                $shown[$name] = $client->get($name);
            }
        }
        $netflow = ($fields['netflow_enabled'] ?? false) === true ? ['mail' => $fields, 'client' => $shown] : null;
        Facts::learn([$serviceId => ['netflow' => $netflow, 'netflow_at' => time()]]);
    }

    /**
     * @return array<string, bool|string>
     */
    private static function fields(Answer $answer): array
    {
        $fields = ['netflow_enabled' => $answer->get('netflow_enabled') === true];
        foreach (array_slice(self::FIELDS, 1) as $name) {
            $fields[$name] = is_string($answer->get($name)) ? $answer->get($name) : '';
        }
        return $fields;
    }
}
