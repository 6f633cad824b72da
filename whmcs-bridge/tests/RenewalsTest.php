<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Addon\Turnpike\Pages;
use WHMCS\Module\Addon\Turnpike\PairingPage;
use WHMCS\Module\Server\Turnpike\Facts;
use WHMCS\Module\Server\Turnpike\Figures;
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
        $this->pairWithNobody();
        Kernel::command('Renew', 41);
        $this->due(self::FIRST);
        $this->peer();
        self::assertSame('success', Kernel::command('Renew', 41));
        $dates = array_column(array_column($this->renewals($peer), 'service'), 'next_due_date');
        self::assertSame([self::SECOND, self::FIRST], array_slice($dates, 2), 'also one that staff have set back');
    }

    /**
     * @dataProvider undone
     */
    public function testOneThatWaitsGoesBeforeWhatItWouldUndo(string $command, string $hook): void
    {
        $this->pairWithNobody();
        Kernel::command('Renew', 41, ['traffic_gb_monthly' => '1']);
        $said = Kernel::command($command, 41, ['traffic_gb_monthly' => '100']);
        self::assertMatchesRegularExpression('/still waits and has to go first.* not done \[unreachable /', $said);
        $peer = $this->peer();
        $settled = ['username' => 'kunde', 'password' => self::SERVICE_PASSWORD, 'dedicated_address' => '10.8.0.2'];
        $peer->answer($hook, ['account' => [], 'service' => $settled]);
        $peer->refuse('renew', 500, 'internal', 'A defect.');
        $said = Kernel::command($command, 41, ['traffic_gb_monthly' => '100']);
        self::assertMatchesRegularExpression('/^A defect\. A renewal .* \[internal ref-4711\]$/', $said);
        self::assertSame(['renew'], $this->commands($peer), 'told last is what holds');
        $peer->answer('renew', ['account' => []]);
        self::assertSame('success', Kernel::command($command, 41, ['traffic_gb_monthly' => '100']));
        $this->cron($peer);
        self::assertSame(['renew', 'renew', $hook], $this->commands($peer));
        $packets = array_map(static function (array $request): string {
            return $request['body']['settings']['traffic_gb_monthly'] ?? '';
        }, $peer->requests());
        self::assertSame(['1', '1', '100'], array_values(array_filter($packets, 'strlen')));
    }

    /**
     * @return array<int, array{string, string}>
     */
    public function undone(): array
    {
        return [['ChangePackage', 'change-package'], ['CreateAccount', 'create'], ['Reapply', 'create']];
    }

    public function testOneThatIsRefusedForGoodHoldsUpNoChange(): void
    {
        $this->pairWithNobody();
        Kernel::command('Renew', 41);
        $peer = $this->peer();
        $peer->refuse('renew', 422, 'setting-invalid', 'No such traffic.');
        $peer->answer('change-package', ['account' => []]);
        self::assertSame('success', Kernel::command('ChangePackage', 41));
        self::assertCount(1, (array) preg_grep('/cannot be delivered; add its traffic by hand/', Kernel::$activity));
        self::assertSame(0, Capsule::table(Renewals::TABLE)->count());
    }

    public function testOneThatWaitsGoesBeforeTrafficThatIsAddedOnEitherPage(): void
    {
        Facts::learn([41 => ['bytes_per_gb' => Figures::GIGABYTE]]);
        $_SERVER['REQUEST_METHOD'] = 'POST';
        $keep = function (): void {
            $this->pairWithNobody();
            Kernel::command('Renew', 41);
        };
        $keep();
        $peer = $this->peer();
        $peer->refuse('renew', 500, 'internal', 'A defect.');
        $_POST = ['turnpike_add_gb' => '2', 'turnpike_add_key' => str_repeat('a', 32)];
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        self::assertSame(['renew'], $this->commands($peer));
        self::assertStringStartsWith('The 2 GB were not added. A defect.', $_SESSION['turnpike_said'][41]);
        self::assertEmpty($_SESSION['turnpike_adding'] ?? [], 'it was not sent');
        $peer->answer('renew', ['account' => []]);
        $peer->answer('add-traffic', ['account' => []]);
        turnpike_AdminServicesTabFieldsSave(Kernel::params(41));
        self::assertSame(['renew', 'add-traffic'], array_slice($this->commands($peer), 1));

        $keep();
        $this->peer();
        $peer->answer('admin/accounts', ['html' => 'booked', 'location' => null]);
        $_GET = ['page' => 'accounts', 'service' => '41'];
        $_POST = ['turnpike_form' => PairingPage::ownToken(), 'token' => generate_token('plain'), 'do' => 'add'];
        self::assertSame('booked', Pages::answer([])['html']);
        self::assertSame(['renew', 'admin/accounts'], array_slice($this->commands($peer), 3));
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
        Kernel::$activity = [];
        $this->pairWithNobody();
        $this->service(44, 'Active', 'moved', 'x');
        Kernel::command('Renew', 44);
        Capsule::table('tblhosting')->where('id', 44)->update(['packageid' => 9]);
        $this->cron($this->peer());
        $said = implode(preg_grep('/not delivered any more/', Kernel::$activity));
        self::assertStringNotContainsString('has ended', $said, 'of another module now');
        self::assertStringContainsString('not one of the Turnpike module', $said);
        self::assertStringContainsString('add its traffic by hand', $said);
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
     * @return string[] what was asked of Turnpike, but for what the cron and mails ask
     */
    private function commands(Peer $peer): array
    {
        return array_values((array) preg_grep('/^(cron|netflow.*)$/', array_column($peer->requests(), 'hook'), 1));
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
