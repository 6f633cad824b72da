<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Renewals;

/**
 * Renewals that failed reach Turnpike later, each with the due date that it was paid for.
 */
final class RenewalsTest extends BridgeTestCase
{
    private const FIRST = '2026-12-01';
    private const SECOND = '2027-01-01';

    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        turnpike_activate();
    }

    public function testTwoRenewalsThatFailedAreDeliveredByTheCronWithBothDates(): void
    {
        $this->pairWithNobody();
        $sold = [['traffic_gb_monthly' => '50', 'l2tp_psk' => self::PSK], ['configoptions' => ['traffic_gb' => '200']]];
        $said = Kernel::command('Renew', 41, ...$sold);
        self::assertMatchesRegularExpression('/written down for the due date 2026-12-01.* \[unreachable /', $said);
        $this->due(self::SECOND);
        self::assertStringContainsString('for the due date 2027-01-01', Kernel::command('Renew', 41));
        run_hook('AfterCronJob');
        self::assertSame([0, 0], Capsule::table(Renewals::TABLE)->pluck('tries')->map('intval')->all(), 'all is away');

        $peer = $this->peer();
        $peer->answer('renew', ['account' => ['balance_bytes' => 5], 'warning' => 'The profile vpn is gone.']);
        $this->cron($peer);
        $bodies = $this->renewals($peer);
        self::assertSame([self::FIRST, self::SECOND], array_column(array_column($bodies, 'service'), 'next_due_date'));
        self::assertSame('50', $bodies[0]['settings']['traffic_gb_monthly'], 'what was sold then');
        self::assertSame(['traffic_gb' => '200'], $bodies[0]['options']);
        $service = ['id' => 41, 'next_due_date' => self::FIRST, 'billing_cycle' => 'Monthly'];
        self::assertSame($service, $bodies[0]['service']);
        self::assertSame('core-1', $bodies[0]['server']['name']);
        self::assertCount(2, (array) preg_grep('/which had failed, is delivered/', Kernel::$activity));
        $warned = (array) preg_grep('/is done, but: The profile vpn is gone\./', Kernel::$activity);
        self::assertCount(2, $warned);
        self::assertSame([7, 7], array_values(array_intersect_key(Kernel::$activityOf, $warned)), 'of the client');
        $this->assertNoSecretsIn($this->logs());
        $this->cron($peer);
        self::assertCount(2, $this->renewals($peer), 'once each');
        self::assertSame('success', Kernel::command('Renew', 41), 'a retry from the Module Queue does no harm');
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
    }

    public function testOneThatWaitsGoesBeforeANewOne(): void
    {
        $this->pairWithNobody();
        Kernel::command('Renew', 41);
        $this->due(self::SECOND);
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        self::assertSame('success', Kernel::command('Renew', 41));
        $dates = array_column(array_column($this->renewals($peer), 'service'), 'next_due_date');
        self::assertSame([self::FIRST, self::SECOND], $dates, 'the date that is told last is the one that counts');
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
    }

    public function testARetryOfTheSameDateIsTheRenewalItself(): void
    {
        $this->pairWithNobody();
        Kernel::command('Renew', 41);
        Kernel::command('Renew', 41);
        self::assertSame(1, Capsule::table(Renewals::TABLE)->count());
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        self::assertSame('success', Kernel::command('Renew', 41));
        $this->cron($peer);
        self::assertCount(1, $this->renewals($peer));
    }

    public function testWhatTurnpikeRefusesForGoodIsNotWrittenDownAndOneThatWaitedIsToldOnce(): void
    {
        $peer = $this->peer();
        $peer->refuse('renew', 404, 'no-such-service', 'Service 41 is not known here.');
        $said = Kernel::command('Renew', 41);
        self::assertSame('Service 41 is not known here. [no-such-service ref-4711]', $said);
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
        $this->pairWithNobody();
        Kernel::command('Renew', 41);
        $this->peer();
        $this->cron($peer);
        $this->cron($peer);
        self::assertCount(1, (array) preg_grep('/cannot be delivered; add its traffic by hand/', Kernel::$activity));
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
    }

    public function testOneServiceInTroubleHoldsUpNobodyElseAndIsGivenUpInTheEnd(): void
    {
        $this->service(43, 'Suspended', 'other', 'secret-of-43');
        $this->pairWithNobody();
        foreach ([41, 43] as $id) {
            Kernel::command('Renew', $id);
        }
        $peer = $this->peer();
        $peer->refuse('renew', 500, 'internal', 'A defect.');
        $this->cron($peer);
        self::assertCount(2, $this->renewals($peer), 'each is asked for');
        $tries = Capsule::table(Renewals::TABLE);
        self::assertSame([1, 1], $tries->pluck('tries')->map('intval')->all());
        $peer->refuse('renew', 503, 'database-unavailable', 'The database does not answer.');
        $this->cron($peer);
        self::assertCount(3, $this->renewals($peer), 'one a run while all is away');
        Capsule::table(Renewals::TABLE)->where('service_id', 43)->update(['tries' => 1999]);
        $peer->refuse('renew', 500, 'internal', 'A defect.');
        $this->cron($peer);
        self::assertSame([41], Capsule::table(Renewals::TABLE)->pluck('service_id')->map('intval')->all());
        self::assertCount(1, (array) preg_grep('/service 43 .* cannot be delivered/', Kernel::$activity));
    }

    public function testAServiceThatEndedIsRenewedNoMore(): void
    {
        foreach (['Terminated', 'Cancelled', null] as $status) {
            $this->pairWithNobody();
            Kernel::command('Renew', 41);
            $row = Capsule::table('tblhosting')->where('id', 41);
            $status === null ? $row->delete() : $row->update(['domainstatus' => $status]);
            $peer = $this->peer();
            $this->cron($peer);
            self::assertSame([], $this->renewals($peer));
            self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
            $row->update(['domainstatus' => 'Active']);
        }
        self::assertCount(3, (array) preg_grep('/not delivered any more: the service has ended/', Kernel::$activity));
        $this->service(43, 'Active', 'other', 'x');
        $this->pairWithNobody();
        Kernel::command('Renew', 43);
        $this->peer()->answer('terminate', ['account' => null]);
        self::assertSame('success', Kernel::command('TerminateAccount', 43));
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count(), 'at once: it may be created anew');
    }

    public function testBeforeTheAddonIsUpgradedARenewalMakesTheTableItself(): void
    {
        Capsule::schema()->drop(Renewals::TABLE);
        $peer = $this->peer();
        $peer->answer('renew', ['account' => []]);
        self::assertSame('success', Kernel::command('Renew', 41));
        $this->pairWithNobody();
        self::assertStringContainsString('written down', Kernel::command('Renew', 41));
        self::assertSame(1, Capsule::table(Renewals::TABLE)->count());
    }

    private function due(string $date): void
    {
        Capsule::table('tblhosting')->where('id', 41)->update(['nextduedate' => $date]);
    }

    private function cron(Peer $peer): void
    {
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        $peer->answer('netflow', ['records' => []]);
        run_hook('AfterCronJob');
    }

    /**
     * @return array<int, array<string, mixed>> the bodies of those that were asked for
     */
    private function renewals(Peer $peer): array
    {
        return array_values(array_column(array_filter($peer->requests(), static function (array $request): bool {
            return $request['hook'] === 'renew';
        }), 'body'));
    }
}
