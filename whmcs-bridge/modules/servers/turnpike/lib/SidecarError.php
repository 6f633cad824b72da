<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * Why a call to Turnpike came to nothing, told once for staff and once for customers.
 */
final class SidecarError extends \RuntimeException
{
    /** Nobody knows what became of it: it was sent, and what came back says nothing. */
    private const UNCERTAIN = ['timeout', 'connection-lost', 'answer-unsigned', 'answer-not-genuine',
        'answer-too-large', 'answer-strange', 'internal', 'database-unavailable'];

    /** Refusals that pass. */
    private const PASSING = ['busy', 'clock-skew', 'nonce-reused', 'slow-down', 'no-such-hook'];

    /** @var string what kind: one of ours (`not-paired`, `unreachable`, `timeout`, …) or a code of Turnpike's */
    private $kind;

    /** @var string finds the log line: Turnpike's when it signed the answer, else made here */
    private $reference;

    /** @var string what a customer may be told, or '' */
    private $customerDetail;

    /** @var array<string, mixed> the verified answer's members; empty when nothing was verified */
    private $members;

    /** @var bool whether Turnpike itself said so, by a signature that was checked */
    private $verified;

    /**
     * @param array<string, mixed> $members of a verified answer
     */
    public function __construct(
        string $kind,
        string $sentence,
        string $reference = '',
        string $customerDetail = '',
        array $members = [],
        bool $verified = false
    ) {
        parent::__construct(Text::sentence($sentence));
        $this->kind = $kind;
        $this->reference = $reference !== '' ? $reference : self::newReference();
        $this->customerDetail = Text::sentence($customerDetail);
        $this->members = $members;
        $this->verified = $verified;
    }

    /** Any throwable as one of these: a defect of the bridge keeps its message for the module log alone. */
    public static function from(\Throwable $cause): self
    {
        if ($cause instanceof self) {
            return $cause;
        }
        $error = new self(
            'bridge-failed',
            'The Turnpike module in WHMCS failed (' . get_class($cause) . ' in ' . basename($cause->getFile())
            . ' line ' . $cause->getLine() . '); the Module Log says more, and trying again is safe'
        );
        return $error;
    }

    public static function newReference(): string
    {
        return 'whmcs-' . bin2hex(random_bytes(4));
    }

    public function kind(): string
    {
        return $this->kind;
    }

    public function reference(): string
    {
        return $this->reference;
    }

    public function isVerified(): bool
    {
        return $this->verified;
    }

    /** Whether what was asked may have been done all the same. */
    public function isUncertain(): bool
    {
        return in_array($this->kind, self::UNCERTAIN, true);
    }

    /**
     * Whether it may stand in Turnpike's books all the same, of what is booked first: also what failed at Turnpike may
     * have failed after that, and a proxy may have sent it twice.
     */
    public function mayBeBooked(): bool
    {
        $status = $this->member('status');
        $failedThere = $this->verified && is_int($status) && $status >= 500;
        return $this->isUncertain() || $failedThere || $this->kind === 'nonce-reused';
    }

    /** Whether Turnpike itself said no, and will again. */
    public function isFinal(): bool
    {
        $status = $this->member('status');
        return $this->verified && is_int($status) && $status >= 400 && $status < 500
            && !in_array($this->kind, self::PASSING, true);
    }

    /** Whether it would be the same for every service: Turnpike as a whole is away, not one account or its router. */
    public function isAway(): bool
    {
        return $this->verified ? $this->kind === 'database-unavailable'
            : !in_array($this->kind, ['bridge-failed', 'no-server'], true);
    }

    /** The same, with a sentence more for staff. */
    public function with(string $more): self
    {
        $told = new self($this->kind, rtrim($this->getMessage(), '.') . ". $more", $this->reference);
        [$told->customerDetail, $told->members, $told->verified]
            = [$this->customerDetail, $this->members, $this->verified];
        return $told;
    }

    /**
     * @return mixed a member of the verified answer, or null
     */
    public function member(string $name)
    {
        return $this->members[$name] ?? null;
    }

    /** One plain sentence for WHMCS staff: what failed, where, what to do, `[code reference]`. */
    public function forAdmin(): string
    {
        return $this->getMessage() . ' [' . $this->kind . ' ' . $this->reference . ']';
    }

    /**
     * One plain sentence that names no router, address or cause.
     *
     * @param string $otherwise used when Turnpike gave none for customers
     */
    public function forClient(string $otherwise): string
    {
        $sentence = $this->customerDetail !== '' ? $this->customerDetail : $otherwise;
        return $sentence . ' [' . $this->kind . ' ' . $this->reference . ']';
    }
}
