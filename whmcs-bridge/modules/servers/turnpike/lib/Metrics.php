<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
use WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface;
use WHMCS\UsageBilling\Metrics\Metric;
use WHMCS\UsageBilling\Metrics\Units\GigaBytes;
use WHMCS\UsageBilling\Metrics\Usage;

/**
 * The calendar month's traffic for WHMCS's usage billing, by user name, in WHMCS's own GB. Absolute figures: WHMCS
 * writes each over the last one of the same month.
 */
final class Metrics implements ProviderInterface
{
    private const NAMES = ['traffic_download', 'traffic_upload', 'traffic_total'];

    /** @var array<mixed> */
    private $params;

    /**
     * @param array<mixed> $params
     */
    public function __construct(array $params)
    {
        $this->params = $params;
    }

    /**
     * What can be billed; asked for products, where there is no server, and so never by the network.
     *
     * @return array<string, MetricInterface>
     */
    public function metrics(): array
    {
        $lang = Lang::ofAdmin();
        $metrics = [];
        foreach (self::NAMES as $name) {
            $unit = new GigaBytes($lang->get("metric_$name"));
            $metrics[$name] = new Metric($name, $lang->get("metric_$name"), MetricInterface::TYPE_PERIOD_MONTH, $unit);
        }
        return $metrics;
    }

    /**
     * Of every account on the server; empty when Turnpike does not answer or is in another month, so that nothing is
     * billed on a guess.
     *
     * @return array<string, array<string, MetricInterface>>
     */
    public function usage(): array
    {
        return $this->read(static function (array $body): Answer {
            return Module::sidecar()->hook('metrics', $body, Sidecar::USAGE_MS);
        });
    }

    /**
     * Of one account, which somebody looks at: a page of WHMCS waits for it.
     *
     * @param mixed $tenant a user name
     * @return array<string, MetricInterface>
     */
    public function tenantUsage($tenant): array
    {
        $usage = $this->read(static function (array $body): Answer {
            Breaker::check();
            Breaker::check(Breaker::METRICS);
            try {
                return Module::sidecar()->hook('metrics', $body, Sidecar::PAGE_MS);
            } catch (SidecarError $error) {
                Breaker::open($error, Breaker::METRICS);
                throw $error;
            }
        });
        return $usage[(string) $tenant] ?? [];
    }

    /**
     * @param callable(array<string, mixed>): Answer $ask
     * @return array<string, array<string, MetricInterface>>
     */
    private function read(callable $ask): array
    {
        try {
            $body = Params::serverBody($this->params);
            Module::needServer($body);
            $answer = $ask($body);
            $usage = [];
            foreach (Month::isOurs($answer) ? $answer->rows('accounts') : [] as $row) {
                $down = $row['download_bytes'] ?? null;
                $up = $row['upload_bytes'] ?? null;
                if (is_string($row['username'] ?? null) && is_int($down) && is_int($up) && $down >= 0 && $up >= 0) {
                    $usage[$row['username']] = $this->measured([$down, $up, $down + $up]);
                }
            }
            return $usage;
        } catch (\Throwable $cause) {
            $error = Module::error('MetricProvider', $cause, $this->params);
            Module::note('usage metrics were not read: ' . $error->forAdmin());
            return [];
        }
    }

    /**
     * @param int[] $bytes in the order of the names
     * @return array<string, MetricInterface>
     */
    private function measured(array $bytes): array
    {
        $measured = [];
        foreach (array_values($this->metrics()) as $index => $metric) {
            $gigabytes = round($bytes[$index] / Figures::GIGABYTE, 6);
            $measured[self::NAMES[$index]] = $metric->withUsage(new Usage($gigabytes));
        }
        return $measured;
    }
}
