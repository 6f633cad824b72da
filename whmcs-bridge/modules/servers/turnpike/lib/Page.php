<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The customer's page as template variables: every figure already formatted, nothing yet escaped (the templates
 * escape all of it). Charts become images, so that no markup of another program enters the page.
 */
final class Page
{
    private const VIEWS = ['information', 'statistics'];

    /** @var array<mixed> */
    private $params;

    /** @var Lang */
    private $lang;

    /**
     * @param array<mixed> $params
     */
    public function __construct(array $params, Lang $lang)
    {
        $this->params = $params;
        $this->lang = $lang;
    }

    /** The service's status in WHMCS. */
    public function status(): string
    {
        $status = $this->params['status'] ?? '';
        if (!is_string($status) || $status === '') {
            $status = Capsule::table('tblhosting')->where('id', $this->params['serviceid'] ?? 0)->value('domainstatus');
        }
        return (string) $status;
    }

    /**
     * The error page.
     *
     * @param string $why `inactive` or `missing`
     * @return array<string, mixed>
     */
    public function error(string $why): array
    {
        return $this->output('error', ['message' => $this->lang->get("error_$why")]);
    }

    /**
     * The page from WHMCS's own data alone.
     *
     * @param string $reference by which staff find the cause
     * @return array<string, mixed>
     */
    public function unavailable(string $reference): array
    {
        $settings = Settings::options($this->params['configoptions'] ?? []) + Settings::values($this->params);
        $server = Params::server($this->params);
        $isOn = static function (string $name) use ($settings): bool {
            return in_array(strtolower(trim($settings[$name])), ['on', 'yes', 'true', '1'], true);
        };
        $protocols = array_filter(['PPtP' => $isOn('support_pptp'), 'L2TP' => $isOn('support_l2tp')]);
        return $this->output('overview', [
            'unavailable' => $this->lang->get('unavailable', $reference),
            'information' => [
                'instruction_url' => self::link($settings['instruction_url']),
                'server_address' => $server['hostname'] ?? '',
                'protocols' => implode(', ', array_keys($protocols)),
                'l2tp_psk' => $isOn('support_l2tp') ? $settings['l2tp_psk'] : '',
                'username' => Text::decode($this->params['username'] ?? ''),
                'password' => Text::decode($this->params['password'] ?? ''),
                'bandwidth' => '',
            ],
            'connection' => ['status' => 'unknown', 'label' => $this->lang->get('status_unknown'), 'rows' => []],
        ]);
    }

    /**
     * The page as Turnpike knows it.
     *
     * @param mixed $view which page the customer asked for; anything that is not on the list is the first one
     * @return array<string, mixed>
     */
    public function answered(Answer $answer, $view): array
    {
        $state = $answer->get('state');
        if ($state === 'inactive' || $state === 'missing') {
            return $this->error($state);
        }
        if ($view === 'statistics') {
            return $this->output('statistics', ['view' => 'statistics'] + $this->statistics($answer));
        }
        $information = $answer->part('information');
        $text = static function (string $name) use ($information): string {
            return is_string($information[$name] ?? null) ? $information[$name] : '';
        };
        $offered = $information['protocols'] ?? null;
        $protocols = array_filter(is_array($offered) ? $offered : [], 'is_string');
        return $this->output('overview', [
            'information' => [
                'instruction_url' => self::link($text('instruction_url')),
                'server_address' => $text('server_address'),
                'protocols' => implode(', ', $protocols),
                'l2tp_psk' => $text('l2tp_psk'),
                'username' => $text('username'),
                'password' => $text('password'),
                'bandwidth' => $this->bandwidth($information),
            ],
            'connection' => $this->connection($answer->part('connection')),
            'traffic' => $this->traffic($answer->part('traffic')),
            'netflow' => $this->netflow($answer->part('netflow')),
            'blocked' => $this->blocked($state, $answer->part('traffic')),
        ]);
    }

    /**
     * @param array<string, mixed> $variables
     * @return array<string, mixed>
     */
    private function output(string $template, array $variables): array
    {
        $id = (int) ($this->params['serviceid'] ?? 0);
        $address = "clientarea.php?action=productdetails&id=$id";
        $tabs = [];
        foreach (self::VIEWS as $view) {
            $tabs[] = [
                'label' => $this->lang->get("tab_$view"),
                'url' => $view === 'information' ? $address : "$address&customAction=$view",
                'active' => ($variables['view'] ?? 'information') === $view,
            ];
        }
        return [
            'tabOverviewModuleOutputTemplate' => "templates/$template.tpl",
            'templateVariables' => [
                'turnpike' => $variables + [
                    'unavailable' => '',
                    'blocked' => '',
                    'traffic' => [],
                    'netflow' => [],
                    'tabs' => $tabs,
                    'version' => Module::VERSION,
                ],
                'turnpikeLang' => $this->lang->all(),
            ],
        ];
    }

    /**
     * @param array<mixed> $information
     */
    private function bandwidth(array $information): string
    {
        $speeds = [];
        foreach (['download', 'upload'] as $way) {
            $kbps = $information[$way . '_kbps'] ?? null;
            if (!is_int($kbps)) {
                return '';
            }
            $speed = $kbps === 0 ? $this->lang->get('unlimited') : self::number($kbps / 1000) . ' Mbit/s';
            $speeds[] = $this->lang->get("speed_$way", $speed);
        }
        return implode(' / ', $speeds);
    }

    /**
     * @param array<mixed> $connection
     * @return array<string, mixed>
     */
    private function connection(array $connection): array
    {
        $status = $connection['status'] ?? '';
        $status = in_array($status, ['online', 'offline'], true) ? $status : 'unknown';
        $rows = [];
        if ($status === 'online') {
            foreach (['service', 'address', 'caller_id'] as $name) {
                if (is_string($connection[$name] ?? null) && $connection[$name] !== '') {
                    $value = $name === 'service' ? strtoupper($connection[$name]) : $connection[$name];
                    $rows[] = ['label' => $this->lang->get("connection_$name"), 'value' => $value];
                }
            }
            if (is_int($connection['uptime_seconds'] ?? null)) {
                $value = self::duration($connection['uptime_seconds']);
                $rows[] = ['label' => $this->lang->get('connection_uptime'), 'value' => $value];
            }
        }
        $asOf = self::instant($connection['as_of'] ?? null);
        return [
            'status' => $status,
            'label' => $this->lang->get("status_$status"),
            'as_of' => $asOf === '' ? '' : $this->lang->get($status === 'unknown' ? 'last_known' : 'as_of', $asOf),
            'rows' => $rows,
        ];
    }

    /**
     * @param array<mixed> $traffic
     * @return array<string, string>
     */
    private function traffic(array $traffic): array
    {
        if (($traffic['metered'] ?? null) === false) {
            return ['balance' => $this->lang->get('unmetered'), 'next' => ''];
        }
        if (!is_int($traffic['balance_bytes'] ?? null)) {
            return [];
        }
        $next = '';
        if (is_int($traffic['next_cycle_bytes'] ?? null)) {
            $next = self::gigabytes($traffic['next_cycle_bytes']);
            if (is_string($traffic['next_cycle_date'] ?? null) && $traffic['next_cycle_date'] !== '') {
                $next = $this->lang->get('next_cycle_on', $next, $traffic['next_cycle_date']);
            }
        }
        return ['balance' => self::gigabytes($traffic['balance_bytes']), 'next' => $next];
    }

    /**
     * @param mixed $state
     * @param array<mixed> $traffic
     */
    private function blocked($state, array $traffic): string
    {
        if ($state !== 'blocked') {
            return '';
        }
        $cause = $traffic['blocked_by'] ?? '';
        $cause = in_array($cause, ['quota', 'billing'], true) ? $cause : 'admin';
        return $this->lang->get("blocked_$cause");
    }

    /**
     * @param array<mixed> $netflow
     * @return array<string, mixed>
     */
    private function netflow(array $netflow): array
    {
        if (($netflow['visible'] ?? false) !== true) {
            return [];
        }
        $rows = [];
        foreach (['username', 'password', 'group', 'ip_address'] as $name) {
            if (is_string($netflow[$name] ?? null) && $netflow[$name] !== '') {
                $rows[] = ['label' => $this->lang->get("netflow_$name"), 'value' => $netflow[$name]];
            }
        }
        return ['url' => self::link($netflow['url'] ?? ''), 'rows' => $rows];
    }

    /**
     * @return array<string, mixed>
     */
    private function statistics(Answer $answer): array
    {
        $charts = $answer->part('charts');
        $statistics = $answer->part('statistics');
        $found = [];
        foreach (['days' => 'date', 'months' => 'month'] as $kind => $label) {
            $rows = [];
            foreach (is_array($statistics[$kind] ?? null) ? $statistics[$kind] : [] as $row) {
                if (is_array($row) && is_string($row[$label] ?? null)) {
                    $rows[] = [
                        'label' => $row[$label],
                        'download' => self::gigabytes((int) ($row['download_bytes'] ?? 0)),
                        'upload' => self::gigabytes((int) ($row['upload_bytes'] ?? 0)),
                    ];
                }
            }
            $svg = $charts["{$kind}_svg"] ?? '';
            $found[$kind] = [
                'title' => $this->lang->get("statistics_$kind"),
                'label' => $this->lang->get($label),
                'rows' => array_reverse($rows),
                'image' => $rows !== [] && is_string($svg) && strncmp(ltrim($svg), '<svg', 4) === 0
                    ? 'data:image/svg+xml;base64,' . base64_encode($svg)
                    : '',
            ];
        }
        return ['charts' => $found];
    }

    /**
     * A link that may be clicked: http or https, or ''.
     *
     * @param mixed $url
     */
    private static function link($url): string
    {
        $url = is_string($url) ? trim($url) : '';
        return preg_match('~^https?://[^\s<>"\'\x00-\x1f]+$~i', $url) === 1 ? $url : '';
    }

    private static function gigabytes(int $bytes): string
    {
        return self::number($bytes / 1073741824) . ' GB';
    }

    /** At most two decimals, none that says nothing; a small amount is not shown as zero. */
    private static function number(float $value): string
    {
        $decimals = $value !== 0.0 && abs($value) < 0.01 ? 4 : 2;
        $text = number_format($value, $decimals, '.', '');
        return $text === '-0.0000' ? '0' : rtrim(rtrim($text, '0'), '.');
    }

    private static function duration(int $seconds): string
    {
        $days = intdiv($seconds, 86400);
        return ($days > 0 ? $days . ' d ' : '') . gmdate('H:i:s', max(0, $seconds % 86400));
    }

    /**
     * @param mixed $instant RFC 3339
     */
    private static function instant($instant): string
    {
        if (!is_string($instant) || preg_match('/^\d{4}-\d\d-\d\dT/', $instant) !== 1) {
            return '';
        }
        $time = date_create($instant);
        return $time === false ? '' : gmdate('Y-m-d H:i', $time->getTimestamp()) . ' UTC';
    }
}
