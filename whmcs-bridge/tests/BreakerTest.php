<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Netflow;
use WHMCS\Module\Server\Turnpike\Breaker;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;

/**
 * A silent Turnpike costs one page its time, and pages show what was known.
 */
final class BreakerTest extends BridgeTestCase
{
    private const SETTINGS = ['l2tp_psk' => self::PSK, 'support_l2tp' => 'on'];

    public function testAfterOneSilenceThePagesOfAllAskNobodyForAWhile(): void
    {
        $silence = $this->pairWithSilence();
        Limits::$shorten = 50;
        $first = $this->reference(turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        $this->service(43, 'Active', 'other');
        self::assertSame($first, $this->reference(turnpike_ClientArea(Kernel::params(43))), 'the line that tells why');
        turnpike_AdminServicesTabFields(Kernel::params(41));
        self::assertCount(1, Limits::$set);
        self::assertGreaterThan(0, Breaker::openSince());
        $ago = json_encode(['until' => time() - 1, 'kind' => 'timeout', 'says' => 'x', 'reference' => 'y']);
        Capsule::table('tbladdonmodules')->where('setting', 'sidecar_down')->update(['value' => $ago]);
        turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        self::assertCount(2, Limits::$set, 'then one asks again');
        fclose($silence);
    }

    public function testCommandsAlwaysTryAndASuccessEndsTheRest(): void
    {
        $this->pairWithNobody();
        turnpike_ClientArea(Kernel::params(41));
        self::assertStringContainsString('[unreachable ', Kernel::command('Renew', 41));
        self::assertCount(2, Limits::$set);
        $peer = $this->peer();
        self::assertSame(0, Breaker::openSince(), 'a new pairing is tried at once');
        $this->pairWithNobody();
        turnpike_ClientArea(Kernel::params(41));
        Capsule::table('tbladdonmodules')->where('setting', 'pairing_url')->update(['value' => $peer->url()]);
        $secret = encrypt($peer->secret);
        Capsule::table('tbladdonmodules')->where('setting', 'pairing_secret')->update(['value' => $secret]);
        $peer->answer('renew', ['account' => []]);
        $peer->answer('client-area', ['state' => 'active']);
        self::assertNotSame('', $this->reference(turnpike_ClientArea(Kernel::params(41))));
        self::assertSame('success', Kernel::command('Renew', 41));
        self::assertSame('', $this->reference(turnpike_ClientArea(Kernel::params(41))));
    }

    /**
     * @dataProvider nonsense
     */
    public function testANoteThatCannotBeIsNoReasonToRest(string $note): void
    {
        $this->peer()->answer('client-area', ['state' => 'active']);
        Capsule::table('tbladdonmodules')->insert(['module' => 'turnpike', 'setting' => 'sidecar_down',
            'value' => $note]);
        self::assertSame('', $this->reference(turnpike_ClientArea(Kernel::params(41))));
    }

    /**
     * @return array<string, array{string}>
     */
    public function nonsense(): array
    {
        return [
            'no JSON' => ['x'],
            'nothing in it' => ['{}'],
            'a clock that was set back' => ['{"until":99999999999,"kind":"timeout","says":"x"}'],
            'a text for a number' => ['{"until":"soon"}'],
        ];
    }

    public function testAnAnswerThatRefusesIsNoSilence(): void
    {
        $this->peer()->refuse('client-area', 500, 'internal', 'A defect.');
        turnpike_ClientArea(Kernel::params(41));
        turnpike_ClientArea(Kernel::params(41));
        self::assertCount(2, Limits::$set);
        self::assertSame(0, Breaker::openSince());
    }

    public function testWithTurnpikeDownThePageShowsTheBalanceAsItWasLastKnownAndWhen(): void
    {
        turnpike_activate();
        $peer = $this->peer();
        $peer->answer('client-area', ['state' => 'active', 'information' => ['download_kbps' => 10000,
            'upload_kbps' => 0], 'traffic' => ['metered' => true, 'balance_bytes' => 2500000000,
            'next_cycle_bytes' => 10000000000, 'next_cycle_date' => '2026-12-01', 'bytes_per_gb' => 1000000000]]);
        turnpike_ClientArea(Kernel::params(41, self::SETTINGS));
        Capsule::table(Facts::TABLE)->update(['updated_at' => 1800000000]);
        $this->pairWithNobody();
        $html = $this->render(3, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        foreach (
            ['2.5 GB', 'last known ' . Figures::moment(1800000000), '25 % of a packet of 10 GB', '10 GB on 2026-12-01',
            '10 Mbit/s download / unlimited upload', '<progress class="turnpike-bar" max="100" value="25"'] as $shown
        ) {
            self::assertStringContainsString($shown, $html);
        }
    }

    public function testWhatIsLearnedBesideABalanceMakesItNoFresher(): void
    {
        turnpike_activate();
        $known = ['metered' => true, 'balance_bytes' => 2500000000, 'bytes_per_gb' => 1000000000];
        Facts::learn([41 => $known]);
        Capsule::table(Facts::TABLE)->update(['updated_at' => 1700000000]);
        $peer = $this->peer();
        $peer->answer('netflow/41/merge-fields', ['netflow_enabled' => true, 'netflow_group' => 'g']);
        $peer->answer('netflow/41/client', ['visible' => true, 'group' => 'g']);
        Netflow::refresh(41);
        self::assertSame('g', Facts::of(41)['netflow']['client']['group']);
        $page = function (): string {
            $this->pairWithNobody();
            return $this->render(4, turnpike_ClientArea(Kernel::params(41, self::SETTINGS)));
        };
        self::assertStringContainsString('last known ' . Figures::moment(1700000000), $page());
        $peer->refuse('netflow/41/merge-fields', 404, 'no-such-record', 'None.');
        Breaker::close();
        $this->peer();
        Netflow::refresh(41);
        self::assertArrayNotHasKey('netflow', Facts::of(41));
        self::assertSame(1700000000, Facts::of(41)['updated_at'], 'nor does its end');
        foreach ([[], ['enabled' => false]] as $beside) {
            Facts::learn([41 => $beside]);
            self::assertSame(1700000000, Facts::of(41)['updated_at']);
        }
        self::assertFalse(Facts::of(41)['enabled']);
        Facts::learn([41 => ['balance_bytes' => 2500000000]]);
        self::assertStringNotContainsString(Figures::moment(1700000000), $page(), 'the same balance, heard anew');
    }

    /**
     * @param array<string, mixed> $page
     * @return string what the page names for staff; '' when Turnpike answered
     */
    private function reference(array $page): string
    {
        return $page['templateVariables']['turnpike']['unavailable'];
    }
}
