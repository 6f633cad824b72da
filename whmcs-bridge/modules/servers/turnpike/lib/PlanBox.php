<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * The page's section about the plan, out of `client-area`'s `plan`: how fast it goes and why, what was used and what
 * comes next, when it begins again. It words Turnpike's figures and decides nothing.
 */
final class PlanBox
{
    private const QUOTAS = ['daily', 'monthly', 'time'];

    /** @var array<mixed> */
    private $plan;

    /** @var Lang */
    private $lang;

    /** @var int */
    private $gigabyte;

    /** @var \DateTimeZone the installation's: its clocks say when a day begins */
    private $zone;

    /**
     * @param array<mixed> $plan
     */
    public function __construct(array $plan, Lang $lang, int $gigabyte)
    {
        $this->plan = $plan;
        $this->lang = $lang;
        $this->gigabyte = $gigabyte;
        $name = is_string($plan['time_zone'] ?? null) ? $plan['time_zone'] : 'UTC';
        try {
            $this->zone = new \DateTimeZone($name);
        } catch (\Exception $unknown) {
            $this->zone = new \DateTimeZone('UTC');
        }
    }

    /**
     * @return array<string, mixed> empty when the service is on no plan
     */
    public function shown(): array
    {
        if (!is_string($this->plan['name'] ?? null)) {
            return [];
        }
        $today = $this->part('today');
        $cycle = $this->part('cycle');
        $asOf = $this->when($this->plan['as_of'] ?? null);
        return [
            'name' => $this->plan['name'],
            'slowed' => ($this->plan['slowed'] ?? null) === true,
            'speeds' => $this->speeds(),
            'why' => $this->why(),
            'meters' => array_values(array_filter([
                $this->meter('today', $today, $this->when($today['resets_at'] ?? null)),
                $this->meter('cycle', $cycle, $this->day($cycle['resets_on'] ?? null)),
                $this->time(),
            ])),
            'rows' => $this->rows(),
            'as_of' => $asOf === '' ? '' : $this->lang->get('plan_as_of', $asOf),
        ];
    }

    /**
     * Why the plan blocks the account, and what ends it; empty where it does not.
     *
     * @return array<string, string>
     */
    public function blocked(): array
    {
        $why = $this->part('why');
        $quota = $why['quota'] ?? null;
        if (($why['blocked'] ?? null) !== true || !in_array($quota, self::QUOTAS, true)) {
            return [];
        }
        $back = $this->back($quota);
        return [
            'why' => $this->lang->get("plan_blocked_$quota"),
            'ends' => $back === '' ? $this->lang->get('plan_back') : $back,
            'url' => '',
            'link' => '',
        ];
    }

    /**
     * Each way's speed now beside the full one.
     *
     * @return array<int, array<string, mixed>>
     */
    private function speeds(): array
    {
        $rows = [];
        foreach (['download', 'upload'] as $way) {
            $now = $this->part('current')["{$way}_kbps"] ?? null;
            $full = $this->part('full')["{$way}_kbps"] ?? null;
            if (!is_int($now) || !is_int($full)) {
                continue;
            }
            // a part of no limit cannot be drawn
            $percent = $now === 0 ? 100 : ($full === 0 ? null : Figures::percent($now, $full));
            $rows[] = [
                'label' => $this->lang->get("plan_now_$way"),
                'now' => $this->speed($now),
                'percent' => $percent,
                'says' => $now === $full ? $this->speed($full)
                    : $this->lang->get('plan_speed_of', $this->speed($now), $this->speed($full)),
            ];
        }
        return $rows;
    }

    private function why(): string
    {
        $why = $this->part('why');
        $level = is_int($why['level'] ?? null) ? (string) $why['level'] : '';
        switch ($why['code'] ?? '') {
            case 'daily':
                return $this->lang->get('plan_why_daily', $level) . ' ' . $this->back('daily');
            case 'monthly':
                return $this->lang->get('plan_why_monthly', $level) . ' ' . $this->back('monthly');
            case 'quota':
                $quota = in_array($why['quota'] ?? null, self::QUOTAS, true) ? $why['quota'] : 'daily';
                return $this->lang->get("plan_why_quota_$quota") . ' ' . $this->back($quota);
            case 'full':
                return $this->lang->get('plan_why_full');
        }
        return '';
    }

    /** When what holds the speed back ends. */
    private function back(string $counter): string
    {
        if ($counter === 'monthly') {
            $day = $this->day($this->part('cycle')['resets_on'] ?? null);
            return $day === '' ? '' : $this->lang->get('plan_back_cycle', $day);
        }
        $when = $this->when($this->part('today')['resets_at'] ?? null);
        return $when === '' ? '' : $this->lang->get('plan_back_day', $when);
    }

    /**
     * A counter as a bar whose whole is the furthest limit, with a mark at each one.
     *
     * @param array<mixed> $counter
     * @return array<string, mixed> empty when there is nothing to say
     */
    private function meter(string $name, array $counter, string $resets): array
    {
        $used = $counter['used_bytes'] ?? null;
        if (!is_int($used) || $used < 0) {
            return [];
        }
        $next = $counter['next_threshold_bytes'] ?? null;
        $quota = $counter['quota_bytes'] ?? null;
        $limits = [];
        foreach (is_array($counter['tiers'] ?? null) ? $counter['tiers'] : [] as $tier) {
            $limits[] = is_array($tier) ? ($tier['threshold_bytes'] ?? null) : null;
        }
        $limits = array_filter(array_merge($limits, [$next, $quota]), static function ($limit): bool {
            return is_int($limit) && $limit > 0;
        });
        $whole = $limits === [] ? 0 : max($limits);
        $marks = [];
        foreach (array_unique($limits) as $limit) {
            $marks[] = [
                // the mark of the whole stands at the bar's end, and is its end
                'at' => min(99, (int) round($limit / $whole * 100)),
                'next' => $limit === $next || (!is_int($next) && $limit === $quota),
            ];
        }
        return [
            'id' => $name,
            'label' => $this->lang->get("plan_used_$name"),
            'used' => Figures::gigabytes($used, $this->gigabyte),
            'percent' => $whole > 0 ? Figures::percent($used, $whole) : null,
            'marks' => $marks,
            'next' => $this->next($name, $counter),
            'bonus' => $this->bonus($counter),
            'resets' => $resets === '' ? '' : $this->lang->get('plan_resets', $resets),
        ];
    }

    /**
     * What happens next when more is used.
     *
     * @param array<mixed> $counter
     */
    private function next(string $name, array $counter): string
    {
        $next = $counter['next_threshold_bytes'] ?? null;
        $quota = $counter['quota_bytes'] ?? null;
        $speed = $counter['next_download_kbps'] ?? null;
        $used = $counter['used_bytes'] ?? 0;
        if (is_int($quota) && $quota > $used && (!is_int($next) || $quota <= $next)) {
            return $this->lang->get("plan_next_quota_$name", Figures::gigabytes($quota, $this->gigabyte));
        }
        if (is_int($next) && is_int($speed)) {
            return $this->lang->get('plan_next', Figures::gigabytes($next, $this->gigabyte), $this->speed($speed));
        }
        return '';
    }

    /**
     * @param array<mixed> $counter
     */
    private function bonus(array $counter): string
    {
        $bonus = $counter['bonus_bytes'] ?? null;
        return is_int($bonus) && $bonus > 0
            ? $this->lang->get('plan_bonus', Figures::gigabytes($bonus, $this->gigabyte)) : '';
    }

    /**
     * Minutes online, where they are sold.
     *
     * @return array<string, mixed>
     */
    private function time(): array
    {
        $used = $this->part('time')['used_minutes'] ?? null;
        $quota = $this->part('time')['quota_minutes'] ?? null;
        if (!is_int($used) || !is_int($quota) || $quota <= 0) {
            return [];
        }
        $clock = static function (int $minutes): string {
            return intdiv($minutes, 60) . ':' . str_pad((string) ($minutes % 60), 2, '0', STR_PAD_LEFT) . ' h';
        };
        return [
            'id' => 'time',
            'label' => $this->lang->get('plan_used_time'),
            'used' => $this->lang->get('plan_of', $clock($used), $clock($quota)),
            'percent' => Figures::percent($used, $quota),
            'marks' => [],
            'next' => '',
            'bonus' => '',
            'resets' => '',
        ];
    }

    /**
     * Free hours, bandwidth rule, CDN.
     *
     * @return array<int, array{label: string, value: string}>
     */
    private function rows(): array
    {
        $rows = [];
        $free = $this->free();
        if ($free !== '') {
            $rows[] = ['label' => $this->lang->get('plan_free_hours'), 'value' => $free];
        }
        $rule = $this->part('rule');
        if (is_int($rule['download_percent'] ?? null) && is_int($rule['upload_percent'] ?? null)) {
            $says = $this->lang->get('plan_rule', (string) $rule['download_percent'], (string) $rule['upload_percent']);
            $rows[] = ['label' => $this->lang->get('plan_rule_label'), 'value' => $says];
        }
        $cdn = $this->part('cdn');
        if (is_int($cdn['download_kbps'] ?? null) && is_int($cdn['upload_kbps'] ?? null)) {
            $says = $this->lang->get('speed_download', $this->speed($cdn['download_kbps'])) . ' / '
                . $this->lang->get('speed_upload', $this->speed($cdn['upload_kbps']));
            $rows[] = ['label' => $this->lang->get('plan_cdn'), 'value' => $says];
        }
        return $rows;
    }

    private function free(): string
    {
        $free = $this->part('free_hours');
        $clock = static function ($time): bool {
            return is_string($time) && preg_match('/^\d\d:\d\d$/D', $time) === 1;
        };
        $down = $free['download_ratio'] ?? null;
        $up = $free['upload_ratio'] ?? null;
        if (!$clock($free['from'] ?? null) || !$clock($free['to'] ?? null) || !is_int($down) || !is_int($up)) {
            return '';
        }
        $says = ($free['on_now'] ?? null) === true
            ? $this->lang->get('plan_free_now', $free['to'])
            : $this->lang->get('plan_free_later', $free['from'], $free['to']);
        $share = $down === 100 && $up === 100
            ? $this->lang->get('plan_free_all') : $this->lang->get('plan_free_part', (string) $down, (string) $up);
        return "$says $share";
    }

    private function speed(int $kbps): string
    {
        if ($kbps === 0) {
            return $this->lang->get('unlimited');
        }
        return $kbps < 1000 ? "$kbps kbit/s" : Figures::number($kbps / 1000) . ' Mbit/s';
    }

    /**
     * An instant by the installation's clocks, as one says it.
     *
     * @param mixed $instant RFC 3339
     */
    private function when($instant): string
    {
        if (!is_string($instant) || preg_match('/^\d{4}-\d\d-\d\dT/', $instant) !== 1) {
            return '';
        }
        $at = date_create_immutable($instant);
        if ($at === false) {
            return '';
        }
        $at = $at->setTimezone($this->zone);
        $now = (new \DateTimeImmutable('@' . time()))->setTimezone($this->zone);
        $time = $at->format('H:i');
        if ($at->format('Y-m-d') === $now->format('Y-m-d')) {
            return $this->lang->get('when_today', $time);
        }
        if ($at->format('Y-m-d') === $now->modify('+1 day')->format('Y-m-d')) {
            return $this->lang->get('when_tomorrow', $time);
        }
        return $this->lang->get('when_at', $at->format('Y-m-d'), $time);
    }

    /**
     * @param mixed $day YYYY-MM-DD
     */
    private function day($day): string
    {
        return is_string($day) && preg_match('/^\d{4}-\d\d-\d\d$/D', $day) === 1
            ? $this->lang->get('when_on', $day) : '';
    }

    /**
     * @return array<mixed>
     */
    private function part(string $name): array
    {
        return is_array($this->plan[$name] ?? null) ? $this->plan[$name] : [];
    }
}
