<?php

declare(strict_types=1);

namespace Turnpike\Tests;

use WHMCS\Database\Capsule;
use WHMCS\Module\Server\Turnpike\Breaker;
use WHMCS\Module\Server\Turnpike\ClientActions;
use WHMCS\Module\Server\Turnpike\Resets;
use WHMCS\Module\Server\Turnpike\SidecarError;

/**
 * The reset that customers buy: one invoice, one payment, one reset.
 */
final class ResetsTest extends BridgeTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        require Kernel::MODULES . '/addons/turnpike/hooks.php';
        Capsule::table('tblcurrencies')->insert([
            ['id' => 1, 'default' => 1, 'code' => 'EUR', 'prefix' => '', 'suffix' => ' EUR', 'rate' => '1.00000'],
            ['id' => 2, 'default' => 0, 'code' => 'PLN', 'prefix' => '', 'suffix' => ' zł', 'rate' => '4.25000'],
        ]);
        Capsule::table('tblclients')->where('id', 7)->update(['currency' => 1]);
        Capsule::table('tblproducts')->where('id', 2)->update(['tax' => 1]);
        turnpike_activate();
    }

    public function testAPressMakesOneInvoiceAndItsPaymentOneReset(): void
    {
        $peer = $this->offering();
        self::assertStringContainsString('Reset today&#039;s usage for 5.00 EUR', $this->view());
        $this->press();
        $html = $this->view();
        self::assertStringContainsString('The reset is ordered.', $html);
        $item = Capsule::table('tblinvoiceitems')->first();
        self::assertStringContainsString("viewinvoice.php?id=$item->invoiceid", $html);
        self::assertSame(['5.00', 7, 1], [$item->amount, (int) $item->userid, (int) $item->taxed]);
        $line = html_entity_decode($item->description, ENT_QUOTES);
        self::assertSame('Reset of today\'s VPN usage: Gold & Co, kunde [R41-1]', $line);
        self::assertNotContains('fup-reset', $this->asked($peer), 'nothing is done before it is paid');

        $peer->answer('fup-reset', ['account' => []]);
        Kernel::pay((int) $item->invoiceid);
        $request = $peer->requests()[count($peer->requests()) - 1];
        self::assertSame('fup-reset', $request['hook']);
        self::assertSame(['id' => 41], $request['body']['service']);
        self::assertSame(['what' => 'daily', 'key' => "invoice-item-$item->id",
            'note' => "paid with invoice $item->invoiceid"], $request['body']['hook']);
        self::assertArrayNotHasKey('settings', $request['body'], 'blank ones would change the account');

        run_hook('InvoicePaid', ['invoiceid' => (int) $item->invoiceid]);
        $this->cron($peer);
        self::assertSame(1, array_count_values($this->asked($peer))['fup-reset'], 'done once');
        self::assertSame(1, Capsule::table('tblinvoices')->count());
        $this->press();
        $this->view();
        self::assertSame(2, Capsule::table('tblinvoices')->count(), 'and another may be bought after it');
    }

    public function testTwoPressesMakeOneInvoice(): void
    {
        $this->offering();
        $this->press();
        $this->view();
        self::assertStringContainsString('done already', $this->view(), 'the same form again');
        // another browser: a session of its own, and a form from before the invoice was made
        $_SESSION = [];
        $_POST = ['turnpike_action' => 'reset_day', 'turnpike_once' => ClientActions::key(41),
            'token' => generate_token('plain')];
        $_SERVER['REQUEST_METHOD'] = 'POST';
        self::assertStringContainsString('The reset is ordered.', $this->view());
        self::assertSame(1, Capsule::table('tblinvoices')->count());
    }

    public function testAPressInTheMiddleOfAnotherOneMakesNoSecondInvoice(): void
    {
        $this->offering();
        $this->press();
        $inTheMiddle = '';
        Kernel::$invoicing = function () use (&$inTheMiddle): void {
            [$post, $session] = [$_POST, $_SESSION];
            Kernel::$invoicing = null;
            $_POST['turnpike_once'] = ClientActions::key(41);
            $inTheMiddle = $this->view();
            [$_POST, $_SESSION] = [$post, $session];
        };
        $this->view();
        self::assertStringContainsString('The invoice is being made', $inTheMiddle);
        self::assertSame(1, Capsule::table('tblinvoices')->count());
    }

    public function testAnInvoiceThatARequestLeftBehindIsFoundAgain(): void
    {
        $this->offering();
        Kernel::$invoicing = static function (array $values): void {
            Kernel::$invoicing = null;
            Kernel::invoice($values);
            throw new \Error('the request ends here');
        };
        $this->press();
        self::assertStringContainsString('could not be ordered', $this->view());
        self::assertSame('making', Capsule::table(Resets::TABLE)->value('state'));
        self::assertStringNotContainsString('value="reset_day"', $this->look());
        Capsule::table(Resets::TABLE)->update(['at' => time() - 121]);
        self::assertStringContainsString('value="reset_day"', $this->look());
        $_SESSION = [];
        $_POST = ['turnpike_action' => 'reset_day', 'turnpike_once' => ClientActions::key(41),
            'token' => generate_token('plain')];
        $_SERVER['REQUEST_METHOD'] = 'POST';
        self::assertStringContainsString('The reset is ordered.', $this->view());
        self::assertSame(1, Capsule::table('tblinvoices')->count());
    }

    public function testAPaymentWhileTurnpikeIsAwayIsMadeGoodByTheNextCron(): void
    {
        $peer = $this->offering();
        $invoice = $this->ordered();
        $peer->refuse('fup-reset', 503, 'database-unavailable', 'The database does not answer.');
        Kernel::pay($invoice);
        self::assertStringContainsString('it will be done in a moment', $this->look());
        self::assertStringContainsString('is done as soon as Turnpike answers', $this->logs());
        $this->cron($peer);
        self::assertSame('paid', Capsule::table(Resets::TABLE)->value('state'));
        $peer->answer('fup-reset', ['account' => []]);
        $this->cron($peer);
        self::assertSame('done', Capsule::table(Resets::TABLE)->value('state'));
        $this->cron($peer);
        $keys = array_filter(array_map(static function (array $request): string {
            return $request['body']['hook']['key'] ?? '';
        }, $peer->requests()));
        self::assertCount(3, $keys);
        self::assertCount(1, array_unique($keys), 'always the same key');
    }

    public function testWithNobodyListeningThePaymentGoesThroughAndWaits(): void
    {
        $this->offering();
        $invoice = $this->ordered();
        $this->pairWithNobody();
        Kernel::pay($invoice);
        self::assertSame('paid', Capsule::table(Resets::TABLE)->value('state'));
        self::assertSame(0, Capsule::table('tblinvoices')->where('status', '<>', 'Paid')->count());
        self::assertSame(0, Breaker::openSince(), 'and the pages of everybody do not rest for it');
    }

    public function testAPaymentWhoseHookWasMissedIsFoundByTheCron(): void
    {
        $peer = $this->offering();
        $invoice = $this->ordered();
        Capsule::table('tblinvoices')->where('id', $invoice)->update(['status' => 'Paid']);
        $peer->answer('fup-reset', ['account' => []]);
        $this->cron($peer);
        self::assertSame('done', Capsule::table(Resets::TABLE)->value('state'));
    }

    public function testACancelledOrDeletedInvoiceResetsNothingAndAnotherCanBeMade(): void
    {
        $peer = $this->offering();
        foreach (['Cancelled', 'Refunded', null] as $ends) {
            $invoice = $this->ordered();
            $row = Capsule::table('tblinvoices')->where('id', $invoice);
            $ends === null ? $row->delete() : $row->update(['status' => $ends]);
            $this->cron($peer);
            self::assertStringContainsString('Reset today&#039;s usage for', $this->look(), (string) $ends);
        }
        self::assertSame(3, Capsule::table(Resets::TABLE)->where('state', 'void')->count());
        self::assertNotContains('fup-reset', $this->asked($peer));
    }

    public function testWhatTurnpikeRefusesForGoodIsToldToStaffOnce(): void
    {
        $peer = $this->offering();
        $invoice = $this->ordered();
        $peer->refuse('fup-reset', 404, 'no-such-service', 'Service 41 is not known here.');
        Kernel::pay($invoice);
        $this->cron($peer);
        self::assertSame('failed', Capsule::table(Resets::TABLE)->value('state'));
        self::assertSame(1, array_count_values($this->asked($peer))['fup-reset']);
        self::assertCount(1, (array) preg_grep("/invoice $invoice\\) cannot be done; refund it/", Kernel::$activity));
    }

    public function testThePriceIsInTheCustomersCurrencyAtTheRateOfWhmcs(): void
    {
        Capsule::table('tblclients')->where('id', 7)->update(['currency' => 2]);
        $this->offering();
        $invoice = $this->ordered();
        self::assertSame('21.25', Capsule::table('tblinvoiceitems')->where('invoiceid', $invoice)->value('amount'));
    }

    public function testWhatIsNotOfferedCannotBeBought(): void
    {
        $peer = $this->offering();
        $wrong = [['offered' => false, 'price' => '5.00'], ['offered' => true, 'price' => '0'], null, 'x',
            ['offered' => true, 'price' => '-5'], ['offered' => true, 'price' => '1e9'],
            ['offered' => true, 'price' => 5], ['offered' => true, 'price' => '0.001'],
            ['offered' => 'yes', 'price' => '5']];
        foreach ($wrong as $reset) {
            $this->press();
            $this->offer($peer, $reset);
            self::assertStringContainsString('nothing to reset', $this->view());
            self::assertStringNotContainsString('reset_day', $this->look());
            $this->offer($peer, PlanTest::plan()['reset']);
        }
        self::assertSame(0, Capsule::table('tblinvoices')->count());
    }

    public function testWhenWhmcsMakesNoInvoiceNothingIsOpenAndItCanBeTriedAgain(): void
    {
        $this->offering();
        Kernel::$invoicing = static function (): bool {
            return false;
        };
        $this->press();
        self::assertMatchesRegularExpression('/could not be ordered .*\[invoice-failed /', $this->view());
        self::assertStringContainsString('Invalid Payment Method', $this->logs(), 'staff read why');
        Kernel::$invoicing = null;
        self::assertGreaterThan(0, $this->ordered());
    }

    public function testInvoicesOfOthersAreNoneOfOurs(): void
    {
        $peer = $this->offering();
        foreach ([0, 5, '7', null, 'x'] as $invoice) {
            run_hook('InvoicePaid', ['invoiceid' => $invoice]);
        }
        Capsule::schema()->drop(Resets::TABLE);
        run_hook('InvoicePaid', ['invoiceid' => 5]);
        self::assertSame([], $peer->requests());
        self::assertStringContainsString('Reset today', $this->look(), 'and the page does without the table');
    }

    public function testStaffResetADayWithAButton(): void
    {
        $peer = $this->peer();
        $peer->answer('fup-reset', ['account' => []]);
        $_SESSION['adminid'] = 5;
        Capsule::table('tbladmins')->insert(['id' => 5, 'firstname' => 'Grace', 'lastname' => 'Hopper']);
        self::assertSame('success', turnpike_ResetDay(Kernel::params(41)));
        $hook = $peer->requests()[0]['body']['hook'];
        self::assertSame(['daily', 'by Grace Hopper in WHMCS'], [$hook['what'], $hook['note']]);
        self::assertMatchesRegularExpression('/^whmcs-[0-9a-f]{32}$/', $hook['key']);
    }

    public function testOneStuckResetHoldsUpNobodyElses(): void
    {
        $peer = $this->offering();
        $this->due(2);
        foreach ([[502, 'router-refused'], [502, 'router-strange'], [409, 'busy']] as [$status, $code]) {
            $peer->refuse('fup-reset', $status, $code, 'Not this one.');
            $before = count($this->resetsAsked($peer));
            $this->cron($peer);
            self::assertCount($before + 2, $this->resetsAsked($peer), $code);
        }
        $peer->refuse('fup-reset', 503, 'database-unavailable', 'The database does not answer.');
        $before = $this->resetsAsked($peer);
        Capsule::table(Resets::TABLE)->update(['at' => 1000]);
        $this->cron($peer);
        $this->cron($peer);
        $asked = array_slice($this->resetsAsked($peer), count($before));
        self::assertCount(2, array_unique($asked), 'one a run while all is away, and each in its turn');
        self::assertCount(2, $asked);
        self::assertSame(2, Capsule::table(Resets::TABLE)->where('state', 'paid')->count());
    }

    public function testResetsThatFailCostTheCronRunNothingElse(): void
    {
        $peer = $this->offering();
        Capsule::schema()->drop(Resets::TABLE);
        Capsule::schema()->create(Resets::TABLE, static function ($table): void {
            $table->increments('id');
        });
        $this->cron($peer);
        self::assertContains('cron', $this->asked($peer));
        self::assertStringContainsString('the paid resets could not be looked at', $this->logs());
    }

    public function testWhatWasPaidAtOnceIsSaidToBeDoneOnlyWhenItIs(): void
    {
        $peer = $this->offering();
        foreach ([1 => 'It could not be done; we will refund it.', 2 => 'The reset is paid and done.'] as $n => $says) {
            $n === 1 ? $peer->refuse('fup-reset', 404, 'no-such-service', 'Service 41 is not known here.')
                : $peer->answer('fup-reset', ['account' => []]);
            // as when WHMCS pays it from the customer's credit
            Kernel::invoice(['userid' => 7, 'status' => 'Paid', 'date' => '', 'duedate' => '',
                'itemdescription1' => "Reset [R41-$n]", 'itemamount1' => '5.00', 'itemtaxed1' => 1]);
            $this->press();
            self::assertStringContainsString($says, $this->view());
        }
        self::assertSame(['failed', 'done'], Capsule::table(Resets::TABLE)->orderBy('id')->pluck('state')->all());
    }

    public function testARefundBeforeItIsDoneMeansThatNothingIsDone(): void
    {
        $peer = $this->offering();
        $peer->answer('fup-reset', ['account' => []]);
        $this->due(4);
        $invoices = Capsule::table('tblinvoices')->orderBy('id')->pluck('id')->all();
        foreach (['Refunded', 'Cancelled', 'Unpaid', null] as $n => $ends) {
            $row = Capsule::table('tblinvoices')->where('id', $invoices[$n]);
            $ends === null ? $row->delete() : $row->update(['status' => $ends]);
        }
        $this->cron($peer);
        self::assertSame([], $this->resetsAsked($peer));
        $states = Capsule::table(Resets::TABLE)->orderBy('id')->pluck('state')->all();
        self::assertSame(['void', 'void', 'ordered', 'void'], $states);
        Kernel::pay((int) $invoices[2]);
        self::assertCount(1, $this->resetsAsked($peer), 'paid after all');
    }

    public function testALineThatWasMovedToAnotherInvoiceIsPaidWithThatOne(): void
    {
        $peer = $this->offering();
        $peer->refuse('fup-reset', 502, 'router-refused', 'Not now.');
        $first = $this->ordered();
        $other = $this->moved($first);
        Capsule::table('tblinvoices')->where('id', $first)->update(['status' => 'Cancelled']);
        self::assertStringContainsString("viewinvoice.php?id=$other", $this->look());
        $this->cron($peer);
        self::assertSame('ordered', Capsule::table(Resets::TABLE)->value('state'), 'the new one is unpaid');
        Kernel::pay($other);
        self::assertCount(1, $this->resetsAsked($peer));
        $third = $this->moved($other);
        Capsule::table('tblinvoices')->where('id', $third)->update(['status' => 'Paid']);
        $peer->answer('fup-reset', ['account' => []]);
        $this->cron($peer);
        $asked = $this->resetsAsked($peer);
        self::assertSame([2, 1], [count($asked), count(array_unique($asked))], 'the same key, wherever the line is');
        $row = Capsule::table(Resets::TABLE)->first();
        self::assertSame(['done', $third], [$row->state, (int) $row->invoice_id]);
    }

    public function testALineThatMovedIsFoundByItsPaymentAlone(): void
    {
        $peer = $this->offering();
        $peer->answer('fup-reset', ['account' => []]);
        $other = $this->moved($this->ordered());
        Kernel::pay($other);
        self::assertSame('done', Capsule::table(Resets::TABLE)->value('state'));
        $gone = $this->ordered();
        Capsule::table('tblinvoiceitems')->where('invoiceid', $gone)->delete();
        $this->cron($peer);
        self::assertSame('void', Capsule::table(Resets::TABLE)->orderByDesc('id')->value('state'), 'the line is gone');
    }

    /** Moves the lines of an invoice to a new one; its number. */
    private function moved(int $invoice): int
    {
        $made = Kernel::invoice(['userid' => 7, 'status' => 'Unpaid', 'date' => '', 'duedate' => '']);
        Capsule::table('tblinvoiceitems')->where('invoiceid', $invoice)->update(['invoiceid' => $made['invoiceid']]);
        return (int) $made['invoiceid'];
    }

    public function testThePaidInvoiceOfARequestThatDiedIsFoundByTheCron(): void
    {
        $peer = $this->offering();
        $peer->answer('fup-reset', ['account' => []]);
        foreach (['done' => true, 'void' => false] as $state => $isMade) {
            Kernel::$invoicing = static function (array $values) use ($isMade): void {
                Kernel::$invoicing = null;
                $isMade && Kernel::invoice($values);
                throw new \Error('the request ends here');
            };
            $this->press();
            $this->view();
            if ($isMade) {
                Kernel::pay((int) Capsule::table('tblinvoices')->max('id'));
            }
            $last = Capsule::table(Resets::TABLE)->orderByDesc('id');
            $this->cron($peer);
            self::assertSame('making', $last->value('state'), 'it may still be at work');
            Capsule::table(Resets::TABLE)->where('state', 'making')->update(['at' => time() - 121]);
            $this->cron($peer);
            self::assertSame($state, $last->value('state'));
        }
        self::assertCount(1, $this->resetsAsked($peer));
    }

    public function testWhilePagesRestAPaymentDoesNotWaitForTurnpikeEither(): void
    {
        $peer = $this->offering();
        $invoice = $this->ordered();
        Breaker::open(new SidecarError('timeout', 'Silent.'));
        Kernel::pay($invoice);
        self::assertSame([], $this->resetsAsked($peer));
        $peer->answer('fup-reset', ['account' => []]);
        $this->cron($peer);
        self::assertSame('done', Capsule::table(Resets::TABLE)->value('state'));
    }

    /** So many resets are paid and not yet done. */
    private function due(int $count): void
    {
        for ($n = 1; $n <= $count; $n++) {
            $made = Kernel::invoice(['userid' => 7, 'status' => 'Paid', 'date' => '', 'duedate' => '',
                'itemdescription1' => "Reset [R41-$n]", 'itemamount1' => '5.00', 'itemtaxed1' => 1]);
            $item = Capsule::table('tblinvoiceitems')->where('invoiceid', $made['invoiceid'])->value('id');
            Capsule::table(Resets::TABLE)->insert(['service_id' => 41, 'number' => $n, 'state' => 'paid',
                'invoice_id' => $made['invoiceid'], 'item_id' => $item, 'at' => 1000]);
        }
    }

    /**
     * @return string[] the key of each
     */
    private function resetsAsked(Peer $peer): array
    {
        return array_values(array_filter(array_map(static function (array $request): string {
            return $request['hook'] === 'fup-reset' ? $request['body']['hook']['key'] : '';
        }, $peer->requests())));
    }

    private function offering(): Peer
    {
        $peer = $this->peer();
        $this->offer($peer, PlanTest::plan()['reset']);
        return $peer;
    }

    /**
     * @param mixed $reset
     */
    private function offer(Peer $peer, $reset): void
    {
        $peer->answer('client-area', ['state' => 'active', 'information' => ['username' => 'kunde', 'password' => 'x'],
            'connection' => ['status' => 'online'], 'traffic' => ['metered' => false],
            'plan' => ['reset' => $reset] + PlanTest::plan()]);
    }

    /** Orders one; the number of its invoice. */
    private function ordered(): int
    {
        $this->press();
        $this->view();
        $_SERVER['REQUEST_METHOD'] = 'GET';
        return (int) Capsule::table('tblinvoices')->max('id');
    }

    private function press(): void
    {
        $html = $this->look();
        self::assertStringContainsString('value="reset_day"', $html);
        $document = new \DOMDocument();
        $document->loadHTML($html, LIBXML_NOERROR);
        $_POST = ['turnpike_action' => 'reset_day'];
        foreach ($document->getElementsByTagName('input') as $input) {
            $name = $input->getAttribute('name');
            $_POST += $name === '' ? [] : [$name => $input->getAttribute('value')];
        }
        $_SERVER['REQUEST_METHOD'] = 'POST';
    }

    /** The page by its address. */
    private function look(): string
    {
        $_SERVER['REQUEST_METHOD'] = 'GET';
        $_POST = [];
        return $this->view();
    }

    private function view(): string
    {
        return $this->render(4, turnpike_ClientArea(Kernel::params(41)));
    }

    private function cron(Peer $peer): void
    {
        $peer->answer('cron', ['services' => [], 'skipped' => [], 'mails' => []]);
        run_hook('AfterCronJob', []);
    }

    /**
     * @return string[]
     */
    private function asked(Peer $peer): array
    {
        return array_column($peer->requests(), 'hook');
    }
}
