<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

use WHMCS\Database\Capsule;

/**
 * Turnpike's prices are in WHMCS's default currency; a customer pays in its own, at WHMCS's own rate.
 */
final class Money
{
    /** @var string as the API takes it: digits, a point, two decimals */
    private $amount;

    /** @var string as customers read it */
    private $shown;

    private function __construct(string $amount, string $shown)
    {
        $this->amount = $amount;
        $this->shown = $shown;
    }

    /**
     * @param mixed $price a decimal out of an answer
     * @return self|null null when it is no price, or nothing is left of it in that currency
     */
    public static function ofClient($price, int $clientId): ?self
    {
        if (!is_string($price) || preg_match('/^\d{1,9}(?:\.\d{1,6})?$/D', $price) !== 1) {
            return null;
        }
        $own = (int) Capsule::table('tblclients')->where('id', $clientId)->value('currency');
        $currency = Capsule::table('tblcurrencies')->where('id', $own)->first()
            ?? Capsule::table('tblcurrencies')->where('default', 1)->first();
        $rate = $currency === null || (int) $currency->default === 1 ? 1.0 : (float) $currency->rate;
        $amount = number_format(round((float) $price * $rate, 2), 2, '.', '');
        if ((float) $amount <= 0) {
            return null;
        }
        $prefix = Text::decode($currency->prefix ?? '');
        $suffix = Text::decode($currency->suffix ?? '');
        return new self($amount, $prefix . $amount . $suffix);
    }

    public function amount(): string
    {
        return $this->amount;
    }

    public function shown(): string
    {
        return $this->shown;
    }
}
