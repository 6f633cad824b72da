<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Turnpike;

/**
 * What Turnpike answered, its signature checked.
 */
final class Answer
{
    /** @var array<string, mixed> */
    private $data;

    /** @var int seconds by which Turnpike's clock is ahead of ours */
    private $clockAhead;

    /**
     * @param array<string, mixed> $data
     */
    public function __construct(array $data, int $clockAhead)
    {
        $this->data = $data;
        $this->clockAhead = $clockAhead;
    }

    public function clockAhead(): int
    {
        return $this->clockAhead;
    }

    /**
     * @return mixed the member, or null
     */
    public function get(string $name)
    {
        return $this->data[$name] ?? null;
    }

    /**
     * @return array<mixed> the member when it is an object or a list, else empty
     */
    public function part(string $name): array
    {
        $part = $this->get($name);
        return is_array($part) ? $part : [];
    }

    /**
     * @return array<int, array<string, mixed>> the objects of a list
     */
    public function rows(string $name): array
    {
        return array_values(array_filter($this->part($name), 'is_array'));
    }

    /**
     * @return string[] the texts of a list
     */
    public function texts(string $name): array
    {
        return array_values(array_filter($this->part($name), 'is_string'));
    }
}
