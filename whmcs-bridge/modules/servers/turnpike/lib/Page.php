<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * The customer's page as template variables: every figure already formatted, nothing yet escaped (the templates
 * escape all of it). The one exception are the charts, which `Svg` has let through.
 */
final class Page
{
    private const VIEWS = ['information', 'statistics'];

    /** @var array<mixed> */
    private $params;

    /** @var Lang */
    private $lang;

    /** @var array{level?: string, says?: string} */
    private $said;

    /** @var array{secrets: bool, orders: bool} what the person who looks may see and do */
    private $may;

    /**
     * @param array<mixed> $params
     * @param array{level?: string, says?: string} $said what became of the customer's action, shown above all else
     */
    public function __construct(array $params, Lang $lang, array $said = [])
    {
        $this->params = $params;
        $this->lang = $lang;
        $this->said = $said;
        $this->may = Permits::of((int) ($params['userid'] ?? 0));
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
     * The page from WHMCS's own data and what Turnpike said last.
     *
     * @param string $reference by which staff find the cause
     * @return array<string, mixed>
     */
    public function unavailable(string $reference): array
    {
        $sold = Sold::of($this->params);
        $facts = Facts::of((int) $this->params['serviceid']);
        $traffic = $this->traffic($facts);
        if ($traffic !== []) {
            $traffic['as_of'] = $this->lang->get('last_known', Figures::moment($facts['updated_at']));
        }
        return $this->output('overview', [
            'unavailable' => $this->lang->get('unavailable', $reference),
            'information' => [
                'instruction_url' => self::link($sold['instruction_url']),
                'server_address' => $sold['server_address'],
                'protocols' => $sold['protocols'],
                'l2tp_psk' => $this->secret($sold['l2tp_psk']),
                'username' => Text::decode($this->params['username'] ?? ''),
                'password' => $this->secret(Text::decode($this->params['password'] ?? '')),
                'bandwidth' => $this->bandwidth($facts),
            ],
            'connection' => ['status' => 'unknown', 'label' => $this->lang->get('status_unknown'), 'rows' => []],
            'traffic' => $traffic,
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
            $charts = Statistics::of($answer, $this->lang, (int) $this->params['serviceid']);
            return $this->output('statistics', ['view' => 'statistics', 'charts' => $charts]);
        }
        $information = $answer->part('information');
        $gigabyte = Figures::gigabyte($answer->part('traffic')['bytes_per_gb'] ?? null);
        $plan = new PlanBox($answer->part('plan'), $this->lang, $gigabyte);
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
                'l2tp_psk' => $this->secret($text('l2tp_psk')),
                'username' => $text('username'),
                'password' => $this->secret($text('password')),
                'bandwidth' => $this->bandwidth($information),
            ],
            'connection' => $this->connection($answer->part('connection')),
            'traffic' => $this->traffic($answer->part('traffic')),
            'netflow' => $this->netflow($answer->part('netflow')),
            'blocked' => $this->blocked($state, $answer->part('traffic'), $plan->blocked()),
            'plan' => $plan->shown(),
            'reset' => $this->reset($answer->part('plan')),
            'actions' => true,
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
                    'blocked' => [],
                    'traffic' => [],
                    'netflow' => [],
                    'plan' => [],
                    'reset' => [],
                    'actions' => false,
                    'secrets' => $this->may['secrets'],
                    'said' => $this->said,
                    'form' => [
                        'url' => $address,
                        'key' => !empty($variables['actions']) ? ClientActions::key($id) : '',
                        'token' => function_exists('generate_token') ? (string) generate_token('plain') : '',
                    ],
                    'tabs' => $tabs,
                    'version' => Module::VERSION,
                ],
                'turnpikeLang' => $this->lang->all(),
            ],
        ];
    }

    /** A secret, for those who may see it. */
    private function secret(string $value): string
    {
        return $this->may['secrets'] ? $value : '';
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
            $speed = $kbps === 0 ? $this->lang->get('unlimited') : Figures::number($kbps / 1000) . ' Mbit/s';
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
                $value = Figures::duration($connection['uptime_seconds']);
                $rows[] = ['label' => $this->lang->get('connection_uptime'), 'value' => $value];
            }
        }
        $asOf = Figures::instant($connection['as_of'] ?? null);
        return [
            'status' => $status,
            'label' => $this->lang->get("status_$status"),
            'as_of' => $asOf === '' ? '' : $this->lang->get($status === 'unknown' ? 'last_known' : 'as_of', $asOf),
            'rows' => $rows,
        ];
    }

    /**
     * @param array<mixed> $traffic
     * @return array<string, mixed>
     */
    private function traffic(array $traffic): array
    {
        $none = ['next' => '', 'percent' => null, 'bar' => '', 'as_of' => ''];
        if (($traffic['metered'] ?? null) === false) {
            return ['balance' => $this->lang->get('unmetered')] + $none;
        }
        if (!is_int($traffic['balance_bytes'] ?? null)) {
            return [];
        }
        $gigabyte = Figures::gigabyte($traffic['bytes_per_gb'] ?? null);
        $shown = ['balance' => Figures::gigabytes($traffic['balance_bytes'], $gigabyte)] + $none;
        if (is_int($traffic['next_cycle_bytes'] ?? null)) {
            $packet = Figures::gigabytes($traffic['next_cycle_bytes'], $gigabyte);
            $shown['percent'] = Figures::percent($traffic['balance_bytes'], $traffic['next_cycle_bytes']);
            $shown['bar'] = $this->lang->get('balance_bar', (string) $shown['percent'], $packet);
            $day = $traffic['next_cycle_date'] ?? null;
            $isDated = is_string($day) && $day !== '';
            $shown['next'] = $isDated ? $this->lang->get('next_cycle_on', $packet, $day) : $packet;
        }
        return $shown;
    }

    /**
     * Why the account is blocked, and what ends it.
     *
     * @param mixed $state
     * @param array<mixed> $traffic
     * @param array<string, string> $byPlan what the plan says of it, where it is the plan that blocks
     * @return array<string, string>
     */
    private function blocked($state, array $traffic, array $byPlan): array
    {
        if ($state !== 'blocked') {
            return [];
        }
        $cause = $traffic['blocked_by'] ?? '';
        // an empty balance stays when the plan's quota begins again, so it is named before it
        $isEmpty = ($traffic['metered'] ?? null) === true
            && is_int($traffic['balance_bytes'] ?? null) && $traffic['balance_bytes'] <= 0;
        if ($cause === 'quota' && $byPlan !== [] && !$isEmpty) {
            return $byPlan;
        }
        $cause = in_array($cause, ['quota', 'billing'], true) ? $cause : 'admin';
        $day = $traffic['next_cycle_date'] ?? null;
        // Paid for once: no renewal brings anything.
        $isLast = ($traffic['metered'] ?? null) === true
            && array_key_exists('next_cycle_bytes', $traffic) && $traffic['next_cycle_bytes'] === null;
        $ends = $this->lang->get("blocked_{$cause}_ends");
        if ($cause === 'quota' && is_string($day) && $day !== '') {
            $ends = $this->lang->get('blocked_quota_ends_on', $day);
        } elseif ($cause === 'quota' && $isLast) {
            $ends = $this->lang->get('blocked_quota_ends_bought');
        }
        if ($cause === 'quota' && $byPlan !== []) {
            $ends .= ' ' . $this->lang->get('blocked_quota_and_plan', $byPlan['ends']);
        }
        $links = ['billing' => 'clientarea.php?action=invoices', 'admin' => 'submitticket.php', 'quota' => ''];
        return [
            'why' => $this->lang->get("blocked_$cause"),
            'ends' => $ends,
            'url' => $links[$cause],
            'link' => $links[$cause] === '' ? '' : $this->lang->get("blocked_{$cause}_link"),
        ];
    }

    /**
     * The reset of the day's usage: one that is on its way, or the offer of one.
     *
     * @param array<mixed> $plan
     * @return array<string, string>
     */
    private function reset(array $plan): array
    {
        $id = (int) ($this->params['serviceid'] ?? 0);
        $open = Resets::open($id);
        $state = $open['state'];
        if ($state !== '') {
            $isOrdered = $state === 'ordered';
            return [
                'says' => $this->lang->get("reset_$state"),
                'url' => $isOrdered ? "viewinvoice.php?id=$open[invoice]" : '',
                'link' => $isOrdered ? $this->lang->get('reset_pay') : '',
                'offer' => '',
            ];
        }
        $price = $this->may['orders'] ? ClientActions::resetPrice($id, $plan) : null;
        return $price === null ? [] : [
            'says' => $this->lang->get('reset_help'),
            'url' => '',
            'link' => '',
            'offer' => $this->lang->get('reset_offer', $price->shown()),
        ];
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
            $isShown = $name !== 'password' || $this->may['secrets'];
            if ($isShown && is_string($netflow[$name] ?? null) && $netflow[$name] !== '') {
                $rows[] = [
                    'label' => $this->lang->get("netflow_$name"),
                    'value' => $netflow[$name],
                    'secret' => $name === 'password',
                ];
            }
        }
        return ['url' => self::link($netflow['url'] ?? ''), 'rows' => $rows];
    }

    /**
     * A link that may be clicked: http or https, or ''.
     *
     * @param mixed $url
     */
    public static function link($url): string
    {
        $url = is_string($url) ? trim($url) : '';
        return preg_match('~^https?://[^\s<>"\'\x00-\x1f]+$~i', $url) === 1 ? $url : '';
    }
}
