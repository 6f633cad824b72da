<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * Resets of a day's usage that customers buy: one invoice each, and once it is paid, one reset.
 *
 * Table `mod_turnpike_resets`. A row is written before the invoice is made, and says before Turnpike is asked that it
 * was paid. So two presses make one invoice, and a payment while Turnpike is away is not lost: each cron run asks
 * again, with the same key, until Turnpike has said yes. What was paid is for the day on which it is done.
 */
final class Resets
{
    public const TABLE = 'mod_turnpike_resets';

    /** After this long, an invoice still `making` belongs to a request that died. */
    private const DEAD_SECONDS = 120;

    /** So many are asked for in one cron run. */
    private const AT_ONCE = 50;

    /** Creates the table where it is missing. */
    public static function install(): void
    {
        if (!Capsule::schema()->hasTable(self::TABLE)) {
            Capsule::schema()->create(self::TABLE, static function ($table): void {
                $table->increments('id');
                $table->integer('service_id');
                $table->integer('number');
                // making, ordered, paid, done, void (the invoice is gone), failed (Turnpike will not)
                $table->string('state', 10);
                $table->integer('invoice_id');
                $table->integer('item_id');
                // when it was ordered or, while it is due, last asked for in vain
                $table->integer('at');
                $table->unique(['service_id', 'number']);
                $table->index('invoice_id');
                $table->index('state');
            });
        }
    }

    /**
     * How the service's last order stands.
     *
     * @return array{state: string, invoice: int} state `making`, `ordered`, `paid` or '' where none is open
     */
    public static function open(int $serviceId): array
    {
        // before the addon is activated or upgraded there is no table, and nothing was ordered
        $row = Capsule::schema()->hasTable(self::TABLE) ? self::last($serviceId) : null;
        $state = $row->state ?? '';
        if ($state === 'ordered') {
            $state = self::look($row);
        } elseif ($state === 'making' && (int) $row->at < time() - self::DEAD_SECONDS) {
            $state = '';
        }
        $isOpen = in_array($state, ['making', 'ordered', 'paid'], true);
        return ['state' => $isOpen ? $state : '', 'invoice' => $isOpen ? (int) $row->invoice_id : 0];
    }

    /**
     * Makes the invoice, unless one is open.
     *
     * @param string $what the invoice line, without its mark
     * @return array{state: string, invoice: int} as `open`, `done` or `failed`; `making` when another press is about to
     * @throws \Throwable when WHMCS made none
     */
    public static function order(int $serviceId, int $clientId, Money $price, string $what): array
    {
        self::install();
        $open = self::open($serviceId);
        $row = self::last($serviceId);
        if (in_array($open['state'], ['ordered', 'paid'], true)) {
            return $open;
        }
        $now = time();
        if (($row->state ?? '') === 'making') {
            $number = (int) $row->number;
            // of a request that died, whoever sets the time first goes on with it
            $isMine = $open['state'] === '' && Capsule::table(self::TABLE)
                ->where('id', $row->id)->where('state', 'making')->where('at', $row->at)
                ->update(['at' => $now]) === 1;
        } else {
            $number = (int) ($row->number ?? 0) + 1;
            $isMine = Capsule::table(self::TABLE)->insertOrIgnore(['service_id' => $serviceId, 'number' => $number,
                'state' => 'making', 'invoice_id' => 0, 'item_id' => 0, 'at' => $now]) === 1;
        }
        if (!$isMine) {
            return ['state' => 'making', 'invoice' => 0];
        }
        return self::make($serviceId, $number, $clientId, $price, $what);
    }

    /** The invoice was paid; resets that were ordered with it are due. */
    public static function paid(int $invoiceId): bool
    {
        if ($invoiceId <= 0 || !Capsule::schema()->hasTable(self::TABLE)) {
            return false;
        }
        // by its lines: staff may have merged or split the invoice that was made
        $items = Capsule::table('tblinvoiceitems')->where('invoiceid', $invoiceId)->pluck('id')->all();
        return Capsule::table(self::TABLE)->whereIn('item_id', $items)->whereIn('state', ['ordered', 'void'])
            ->update(['state' => 'paid', 'invoice_id' => $invoiceId]) > 0;
    }

    /**
     * Has Turnpike do what is due; what it cannot be asked now stays due.
     *
     * @param bool $someoneWaits one try of a page's time, none while Turnpike was silent a moment ago
     * @param int $invoiceId only what was ordered with it; 0: everything
     */
    public static function deliver(bool $someoneWaits, int $invoiceId = 0): void
    {
        if (!Capsule::schema()->hasTable(self::TABLE)) {
            return;
        }
        if ($invoiceId === 0) {
            self::missed();
        }
        $due = Capsule::table(self::TABLE)->where('state', 'paid');
        $due = $invoiceId > 0 ? $due->where('invoice_id', $invoiceId) : $due;
        foreach ($due->orderBy('at')->orderBy('id')->limit(self::AT_ONCE)->get() as $row) {
            try {
                // refunded, cancelled or deleted since
                if (self::look($row) !== 'paid') {
                    continue;
                }
                self::ask($row, $someoneWaits);
            } catch (\Throwable $cause) {
                $error = SidecarError::from($cause);
                if ($error !== $cause) {
                    ModuleLog::defect('fup-reset', $cause, []);
                }
                if (!$error->isFinal()) {
                    // behind the others, so that it never holds them up
                    Capsule::table(self::TABLE)->where('id', $row->id)->update(['at' => time()]);
                    if ($someoneWaits) {
                        Module::note("the reset that the customer of service $row->service_id has paid is done as soon"
                            . ' as Turnpike answers: ' . $error->forAdmin());
                    }
                    if ($error->isAway()) {
                        return;
                    }
                    continue;
                }
                self::settle($row, 'failed');
                Module::note("the reset that the customer of service $row->service_id has paid (invoice"
                    . " $row->invoice_id) cannot be done; refund it: " . $error->forAdmin());
                continue;
            }
            self::settle($row, 'done');
        }
    }

    /** The mark by which the line is found again. */
    private static function mark(int $serviceId, int $number): string
    {
        return "[R$serviceId-$number]";
    }

    /**
     * @return array{state: string, invoice: int}
     * @throws \Throwable
     */
    private static function make(int $serviceId, int $number, int $clientId, Money $price, string $what): array
    {
        $mine = Capsule::table(self::TABLE)->where('service_id', $serviceId)->where('number', $number);
        $mark = self::mark($serviceId, $number);
        $item = self::item($clientId, $mark);
        if ($item === null) {
            $product = Capsule::table('tblhosting')->where('id', $serviceId)->value('packageid');
            $made = localAPI('CreateInvoice', [
                'userid' => $clientId,
                'status' => 'Unpaid',
                'sendinvoice' => true,
                'date' => date('Y-m-d'),
                'duedate' => date('Y-m-d'),
                'itemdescription1' => "$what $mark",
                'itemamount1' => $price->amount(),
                'itemtaxed1' => (int) Capsule::table('tblproducts')->where('id', $product)->value('tax') === 1,
            ]);
            $item = self::item($clientId, $mark);
            if (!is_array($made) || ($made['result'] ?? '') !== 'success' || $item === null) {
                $why = Text::sentence(is_array($made) ? ($made['message'] ?? '') : '');
                $mine->update(['state' => 'void']);
                throw new SidecarError('invoice-failed', 'WHMCS made no invoice for the reset of service '
                    . "$serviceId: " . ($why === '' ? 'it gave no reason' : $why));
            }
        }
        // paid at once from credit: its hook ran before this row knew the invoice
        $mine->update(['invoice_id' => $item->invoiceid, 'item_id' => $item->id, 'state' => 'ordered']);
        $open = self::open($serviceId);
        if ($open['state'] === 'paid') {
            self::deliver(true, $open['invoice']);
            $open = self::open($serviceId);
        }
        if ($open['state'] !== '') {
            return $open;
        }
        $isDone = (clone $mine)->value('state') === 'done';
        return ['state' => $isDone ? 'done' : 'failed', 'invoice' => (int) $item->invoiceid];
    }

    private static function item(int $clientId, string $mark): ?\stdClass
    {
        return Capsule::table('tblinvoiceitems')->where('userid', $clientId)
            ->where('description', 'like', '%' . $mark)->orderBy('id')->first();
    }

    private static function last(int $serviceId): ?\stdClass
    {
        return Capsule::table(self::TABLE)->where('service_id', $serviceId)->orderByDesc('number')->first();
    }

    /** What has become of an invoice that waits: a hook that was missed is made up for. */
    private static function look(\stdClass $row): string
    {
        // the line may have moved to another invoice, by merging or splitting
        $invoice = (int) Capsule::table('tblinvoiceitems')->where('id', $row->item_id)->value('invoiceid');
        if ($invoice > 0 && $invoice !== (int) $row->invoice_id) {
            Capsule::table(self::TABLE)->where('id', $row->id)->update(['invoice_id' => $invoice]);
            $row->invoice_id = $invoice;
        }
        $status = (string) Capsule::table('tblinvoices')->where('id', $invoice)->value('status');
        $states = ['' => 'void', 'Cancelled' => 'void', 'Refunded' => 'void', 'Paid' => 'paid'];
        $state = $states[$status] ?? 'ordered';
        if ($state !== $row->state) {
            self::settle($row, $state);
        }
        return $state;
    }

    private static function missed(): void
    {
        $table = self::TABLE;
        $rows = Capsule::table($table)->leftJoin('tblinvoiceitems', 'tblinvoiceitems.id', '=', "$table.item_id")
            ->leftJoin('tblinvoices', 'tblinvoices.id', '=', 'tblinvoiceitems.invoiceid')
            ->where("$table.state", 'ordered')->where(static function ($closed): void {
                $ended = ['Paid', 'Cancelled', 'Refunded'];
                $closed->whereNull('tblinvoices.id')->orWhereIn('tblinvoices.status', $ended);
            });
        foreach ($rows->orderBy("$table.id")->get(["$table.*"]) as $row) {
            self::look($row);
        }
        $dead = Capsule::table($table)->where('state', 'making')->where('at', '<', time() - self::DEAD_SECONDS);
        foreach ($dead->orderBy('id')->get() as $row) {
            self::pickUp($row);
        }
    }

    /** A request that died may have made the invoice, and the customer may have paid it. */
    private static function pickUp(\stdClass $row): void
    {
        $client = (int) Capsule::table('tblhosting')->where('id', $row->service_id)->value('userid');
        $item = self::item($client, self::mark((int) $row->service_id, (int) $row->number));
        $found = $item === null ? ['state' => 'void']
            : ['state' => 'ordered', 'invoice_id' => (int) $item->invoiceid, 'item_id' => (int) $item->id];
        // unless a press goes on with it just now
        $isMine = Capsule::table(self::TABLE)->where('id', $row->id)->where('state', 'making')
            ->where('at', $row->at)->update($found) === 1;
        if ($isMine && $item !== null) {
            self::look((object) ($found + (array) $row));
        }
    }

    private static function settle(\stdClass $row, string $state): void
    {
        Capsule::table(self::TABLE)->where('id', $row->id)->where('state', $row->state)->update(['state' => $state]);
    }

    /**
     * @throws SidecarError
     */
    private static function ask(\stdClass $row, bool $someoneWaits): void
    {
        $server = (int) Capsule::table('tblhosting')->where('id', $row->service_id)->value('server');
        $body = [
            'whmcs' => Params::whmcs(),
            'server' => Params::server(['serverid' => $server]),
            'service' => ['id' => (int) $row->service_id],
            'hook' => [
                'what' => 'daily',
                // the line alone: its invoice may change, and what is asked again must have the same key
                'key' => "invoice-item-$row->item_id",
                'note' => "paid with invoice $row->invoice_id",
            ],
        ];
        if ($someoneWaits) {
            // not as a page: a router may need longer than this, which says nothing of Turnpike for everybody's pages
            Breaker::check();
        }
        $limit = $someoneWaits ? Sidecar::PAGE_MS : Sidecar::LIFECYCLE_MS;
        $answer = Module::sidecar()->hook('fup-reset', $body, $limit);
        Module::warned('the paid reset', (int) $row->service_id, $answer);
    }
}
