<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Module\Server\Turnpike\Lang;
use WHMCS\Module\Server\Turnpike\PlanBox;

/**
 * What the customer's page says of the plan, by both Smarty majors, in both languages.
 */
final class PlanTest extends BridgeTestCase
{
    private const GB = 1073741824;

    /**
     * @return array<string, array{int}>
     */
    public function smarties(): array
    {
        return ['Smarty 3' => [3], 'Smarty 4' => [4]];
    }

    /**
     * @dataProvider smarties
     */
    public function testThePlansSectionSaysHowFastAndWhyAndWhatComesNext(int $smarty): void
    {
        $html = $this->shown($smarty, self::plan());
        foreach (
            ['Plan: Gold &amp; Co', '4 Mbit/s of 10 Mbit/s', '512 kbit/s of 2 Mbit/s', 'passed step 2 of your plan',
            'The day is counted from zero again on 2030-11-21 at 00:05.', '20.5 GB',
            'Read last on 2030-11-20 at 13:00.',
            'From 30 GB on you go at 2 Mbit/s.',
            'Counted from zero again on 2030-11-21 at 00:05.', 'At 200 GB the traffic of the cycle is used up.',
            'A bonus of 5 GB is in these limits.', 'Counted from zero again on 2030-12-01.', '1:05 h of 2:00 h',
            'Now, until 06:00: 100 % of downloads and 50 % of uploads are not counted.',
            '50 % of the download speed, 100 % of the upload speed', '20 Mbit/s download / unlimited upload'] as $says
        ) {
            self::assertStringContainsString($says, $html);
        }
        self::assertStringContainsString('turnpike-slowed', $html);
        self::assertSame(2, substr_count($html, '"turnpike-meter-mark"'));
        self::assertSame(2, substr_count($html, '"turnpike-meter-next"'));
        self::assertStringContainsString('class="turnpike-meter-mark" x="33%"', $html);
        self::assertStringContainsString('class="turnpike-meter-next" x="99%"', $html);
        self::assertStringContainsString('class="turnpike-meter-fill" y="3" width="68%"', $html);
    }

    public function testAtFullSpeedItSaysSo(): void
    {
        $plan = ['slowed' => false, 'why' => ['code' => 'full'], 'current' => self::plan()['full']] + self::plan();
        $html = $this->shown(4, $plan);
        self::assertStringContainsString('You have the full speed of your plan.', $html);
        self::assertStringNotContainsString('turnpike-slowed', $html);
        self::assertStringNotContainsString('10 Mbit/s of', $html);
    }

    public function testWithoutAPlanThereIsNoSuchSection(): void
    {
        foreach ([null, [], 'x', ['name' => 5]] as $none) {
            self::assertStringNotContainsString('turnpikePlan', $this->shown(4, $none));
        }
    }

    public function testAPlanWhoseQuotaIsFullSaysWhatPausedIt(): void
    {
        $plan = ['why' => ['code' => 'daily', 'level' => 2, 'quota' => 'daily', 'blocked' => true]] + self::plan();
        $page = ['state' => 'blocked', 'information' => ['username' => 'x'], 'connection' => ['status' => 'offline'],
            'traffic' => ['metered' => false, 'blocked_by' => 'quota'], 'plan' => $plan];
        $this->peer()->answer('client-area', $page);
        $html = $this->render(4, turnpike_ClientArea(Kernel::params(41)));
        self::assertStringContainsString('paused because the traffic of today is used up', $html);
        self::assertStringContainsString('The day is counted from zero again on 2030-11-21', $html);
        self::assertStringNotContainsString('as soon as traffic is added', $html);
    }

    public function testAnEmptyBalanceIsNamedBeforeAFullQuota(): void
    {
        $plan = ['why' => ['code' => 'full', 'level' => null, 'quota' => 'daily', 'blocked' => true]] + self::plan();
        foreach ([[0, true], [1, false]] as [$balance, $isEmpty]) {
            $traffic = ['metered' => true, 'balance_bytes' => $balance, 'next_cycle_bytes' => self::GB,
                'next_cycle_date' => '2030-12-01', 'blocked_by' => 'quota'];
            $page = ['state' => 'blocked', 'information' => ['username' => 'x'],
                'connection' => ['status' => 'offline'], 'traffic' => $traffic, 'plan' => $plan];
            $this->peer()->answer('client-area', $page);
            $html = $this->render(4, turnpike_ClientArea(Kernel::params(41)));
            $says = ['traffic balance is used up', 'renewal on 2030-12-01', 'A quota of your plan is used up too'];
            foreach ($says as $said) {
                self::assertSame($isEmpty, strpos($html, $said) !== false, $said);
            }
            self::assertSame(!$isEmpty, strpos($html, 'paused because the traffic of today') !== false);
            self::assertStringContainsString('The day is counted from zero again on 2030-11-21', $html);
        }
    }

    /**
     * @dataProvider reasons
     */
    public function testEachReasonIsWordedInEachLanguage(array $why, string $english, string $polish): void
    {
        foreach (['english' => $english, 'polish' => $polish] as $language => $says) {
            $box = new PlanBox(['why' => $why] + self::plan(), new Lang($language), self::GB);
            self::assertSame($says, $box->shown()['why']);
        }
    }

    /**
     * @return array<int, array{array<string, mixed>, string, string}>
     */
    public function reasons(): array
    {
        $day = 'The day is counted from zero again on 2030-11-21 at 00:05.';
        $dzien = 'Dzień będzie liczony od zera dnia 2030-11-21 o 00:05.';
        return [
            [['code' => 'daily', 'level' => 1], "You go slower: today's traffic has passed step 1 of your plan. $day",
                "Prędkość jest obniżona: dzisiejszy transfer przekroczył próg 1 planu. $dzien"],
            [['code' => 'monthly', 'level' => 6],
                "You go slower: this cycle's traffic has passed step 6 of your plan. The cycle is counted from zero"
                . ' again with the renewal on 2030-12-01.',
                'Prędkość jest obniżona: transfer tego okresu przekroczył próg 6 planu. Okres będzie liczony od zera'
                . ' po odnowieniu dnia 2030-12-01.'],
            [['code' => 'quota', 'quota' => 'time'],
                "You go slower: the time online of today is used up. $day",
                "Prędkość jest obniżona: dzisiejszy czas połączenia został wyczerpany. $dzien"],
            [['code' => 'other'], '', ''],
        ];
    }

    public function testAnInstantIsToldByTheInstallationsClocks(): void
    {
        $zone = new \DateTimeZone('Pacific/Auckland');
        $now = (new \DateTimeImmutable('now'))->setTimezone($zone);
        $days = ['today' => $now->setTime(23, 59, 59), 'tomorrow' => $now->modify('+1 day')->setTime(0, 5)];
        foreach ($days as $day => $at) {
            $at = $at->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i:s\Z');
            $today = ['resets_at' => $at, 'used_bytes' => 0];
            $plan = ['today' => $today, 'time_zone' => 'Pacific/Auckland'] + self::plan();
            $meter = (new PlanBox($plan, new Lang('english'), self::GB))->shown()['meters'][0];
            $time = $day === 'today' ? '23:59' : '00:05';
            self::assertSame("Counted from zero again $day at $time.", $meter['resets']);
        }
        $nowhere = (new PlanBox(['time_zone' => '"><x>'] + self::plan(), new Lang('english'), self::GB))->shown();
        self::assertStringContainsString('2030-11-20 at 23:05', $nowhere['why'], 'an unknown zone is UTC');
    }

    public function testNothingFromOutsideBecomesMarkup(): void
    {
        $plan = self::plan();
        array_walk_recursive($plan, static function (&$value): void {
            $value = is_string($value) ? '"><script>alert(1)</script>' : $value;
        });
        self::assertStringNotContainsString('<script', $this->shown(4, $plan));
        array_walk_recursive($plan, static function (&$value): void {
            $value = is_int($value) ? PHP_INT_MAX : $value;
        });
        self::assertStringContainsString('turnpikePlan', $this->shown(4, $plan));
        self::assertStringContainsString('turnpikePlan', $this->shown(3, ['name' => 'Bare']));
    }

    public function testTheStatisticsTellWhatIsCounted(): void
    {
        $_GET['customAction'] = 'statistics';
        $days = [['date' => '2026-11-19', 'download_bytes' => 3 * self::GB, 'upload_bytes' => self::GB,
            'counted_download_bytes' => self::GB, 'counted_upload_bytes' => self::GB],
            ['date' => '2026-11-20', 'download_bytes' => self::GB, 'upload_bytes' => 0]];
        $this->peer()->answer('client-area', ['state' => 'active', 'statistics' => ['days' => $days, 'months' => []]]);
        $page = turnpike_ClientArea(Kernel::params(41));
        foreach ([3, 4] as $smarty) {
            $html = $this->render($smarty, $page);
            self::assertStringContainsString('<td>3 GB</td><td>1 GB</td><td>4 GB</td><td>2 GB</td>', $html);
            self::assertStringContainsString('<td>1 GB</td><td>0 GB</td><td>1 GB</td><td>1 GB</td>', $html);
            self::assertStringContainsString('The pale parts', $html);
        }
        self::assertSame(1, preg_match('~base64,([^"]+)"~', $html, $file));
        self::assertSame(
            "date,download_bytes,upload_bytes,counted_download_bytes,counted_upload_bytes\r\n"
            . "2026-11-19,3221225472,1073741824,1073741824,1073741824\r\n2026-11-20,1073741824,0,1073741824,0\r\n",
            base64_decode($file[1])
        );
    }

    /**
     * @return array<string, mixed>
     */
    public static function plan(): array
    {
        return [
            'name' => 'Gold & Co', 'slowed' => true, 'rate' => '512k/4000k', 'time_zone' => 'Europe/Warsaw',
            'as_of' => '2030-11-20T12:00:00Z',
            'full' => ['download_kbps' => 10000, 'upload_kbps' => 2000],
            'current' => ['download_kbps' => 4000, 'upload_kbps' => 512],
            'level' => ['daily' => 2, 'monthly' => 0],
            'why' => ['code' => 'daily', 'level' => 2, 'quota' => null, 'blocked' => false],
            'today' => ['used_bytes' => (int) (20.5 * self::GB), 'next_threshold_bytes' => 30 * self::GB,
                'next_download_kbps' => 2000, 'quota_bytes' => null, 'resets_at' => '2030-11-20T23:05:00Z',
                'tiers' => [['threshold_bytes' => 10 * self::GB], ['threshold_bytes' => 20 * self::GB],
                    ['threshold_bytes' => 30 * self::GB]]],
            'cycle' => ['used_bytes' => 87 * self::GB, 'next_threshold_bytes' => null, 'next_download_kbps' => null,
                'quota_bytes' => 200 * self::GB, 'bonus_bytes' => 5 * self::GB, 'resets_on' => '2030-12-01',
                'tiers' => []],
            'time' => ['used_minutes' => 65, 'quota_minutes' => 120],
            'free_hours' => ['on_now' => true, 'from' => '00:00', 'to' => '06:00', 'download_ratio' => 100,
                'upload_ratio' => 50, 'ends_at' => '2030-11-20T05:00:00Z', 'begins_at' => null],
            'rule' => ['name' => 'Evening', 'download_percent' => 50, 'upload_percent' => 100],
            'cdn' => ['daily_level' => 0, 'monthly_level' => 0, 'download_kbps' => 20000, 'upload_kbps' => 0],
            'reset' => ['price' => '5.00', 'offered' => true],
        ];
    }

    /**
     * @param mixed $plan
     */
    private function shown(int $smarty, $plan): string
    {
        $this->peer()->answer('client-area', ['state' => 'active', 'information' => ['username' => 'x'],
            'connection' => ['status' => 'online'], 'traffic' => ['metered' => false], 'plan' => $plan]);
        return $this->render($smarty, turnpike_ClientArea(Kernel::params(41)));
    }
}
