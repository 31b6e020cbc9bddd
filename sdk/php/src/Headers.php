<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * Looks headers up by name, in any case, and notices those that came more than once.
 *
 * @internal
 */
final class Headers
{
    /** @var array<string, list<string>> */
    private array $values = [];

    /** @param iterable<string, string|iterable<string>> $headers */
    public function __construct(iterable $headers)
    {
        foreach ($headers as $name => $values) {
            foreach (is_iterable($values) ? $values : [$values] as $value) {
                $this->values[strtolower((string) $name)][] = trim((string) $value, " \t");
            }
        }
    }

    /** @return list<string> every value of a header, without the space around it */
    public function all(string $name): array
    {
        return $this->values[strtolower($name)] ?? [];
    }

    public function first(string $name): ?string
    {
        return $this->all($name)[0] ?? null;
    }

    public function has(string $name): bool
    {
        return $this->all($name) !== [];
    }

    /** Returns the value of a header that is there, and that has to be there once. */
    public function one(string $name): string
    {
        $values = $this->all($name);
        if (count($values) > 1) {
            throw VerificationException::malformed($name, 'there once');
        }
        return $values[0];
    }
}
