<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/** Something that happened, as a verified request tells it. */
final class Event
{
    private const TIME = 'Y-m-d\TH:i:s\Z';

    /**
     * @param string $type such as `contact.created`
     * @param \DateTimeImmutable $timestamp when it happened, in UTC
     * @param array<string, mixed> $data the data, decoded into arrays; see also {@see exactData()}
     * @param string $body the raw body that was verified
     * @param ?string $id `evt_…`, the same on every delivery of this event. It was signed. Null if the
     *     request had no `webhook-…` headers
     * @param ?\DateTimeImmutable $signedAt when this attempt was signed. Null if the request had no
     *     `webhook-…` headers
     * @param ?string $deliveryId `dlv_…`, the same on every attempt and replay. This and what follows
     *     come from headers that are not signed: use them to find things in logs and to drop repeats,
     *     not to decide what somebody may do
     * @param ?string $webhookId `wh_…`, the webhook that this was sent for
     * @param ?int $attempt 1 for the first attempt
     * @param bool $test whether somebody pressed *Send test event*
     */
    private function __construct(
        public readonly string $type,
        public readonly \DateTimeImmutable $timestamp,
        public readonly string $organizationId,
        public readonly array $data,
        public readonly string $body,
        public readonly ?string $id,
        public readonly ?\DateTimeImmutable $signedAt,
        public readonly ?string $deliveryId,
        public readonly ?string $webhookId,
        public readonly ?int $attempt,
        public readonly bool $test,
    ) {
    }

    /**
     * Returns `data` with every digit of its numbers.
     *
     * Integers that PHP can hold are integers. Every other number is a string such as `'1.10'`, which
     * bcmath and decimal libraries take. In `$data` these are floats, in which 1e400 is infinite and
     * 1.10 is 1.1.
     *
     * @return array<string, mixed>
     */
    public function exactData(): array
    {
        // Strings are matched first, and kept, so that numbers in them stay as they are.
        $quoted = preg_replace(
            '/"(?:[^"\\\\]++|\\\\.)*+"(*SKIP)(*FAIL)|-?[0-9]++(?:\.[0-9]++(?:[eE][+-]?[0-9]++)?|[eE][+-]?[0-9]++)/',
            '"$0"',
            $this->body,
        );
        $flags = JSON_THROW_ON_ERROR | JSON_BIGINT_AS_STRING;
        return json_decode((string) $quoted, true, flags: $flags)['data'];
    }

    /**
     * Parses a verified body.
     *
     * @internal
     */
    public static function read(
        string $body,
        Headers $headers,
        string $prefix,
        ?string $id,
        ?int $signedAt,
    ): self {
        try {
            $payload = json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new InvalidPayloadException(
                "The signature is right, but the body is not JSON: {$error->getMessage()}.",
            );
        }
        if (!self::isEvent($payload, $body)) {
            throw new InvalidPayloadException(
                'The signature is right, but the body lacks event, timestamp, organizationId or data.',
            );
        }
        $attempt = $headers->first("{$prefix}Attempt") ?? '';
        return new self(
            type: $payload['event'],
            timestamp: self::readTime($payload['timestamp']),
            organizationId: $payload['organizationId'],
            data: $payload['data'],
            body: $body,
            id: $id,
            signedAt: $signedAt === null ? null : new \DateTimeImmutable("@$signedAt"),
            deliveryId: $headers->first("{$prefix}Delivery"),
            webhookId: $headers->first("{$prefix}Webhook"),
            attempt: preg_match('/\A[0-9]{1,9}\z/', $attempt) ? (int) $attempt : null,
            test: $headers->first("{$prefix}Test") === 'true',
        );
    }

    private static function isEvent(mixed $payload, string $body): bool
    {
        return is_array($payload)
            && is_string($payload['event'] ?? null)
            && is_string($payload['timestamp'] ?? null)
            && is_string($payload['organizationId'] ?? null)
            && is_array($payload['data'] ?? null)
            && self::isDataAnObject($body);
    }

    /** Tells {} from [], which are the same once they are arrays. */
    private static function isDataAnObject(string $body): bool
    {
        // PHP refuses names that begin with NUL in objects. Their letters do not matter here.
        $payload = json_decode(str_replace('"\u0000', '"\u0001', $body));
        return $payload instanceof \stdClass && ($payload->data ?? null) instanceof \stdClass;
    }

    private static function readTime(string $text): \DateTimeImmutable
    {
        $time = preg_match('/\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\z/', $text)
            ? \DateTimeImmutable::createFromFormat('!' . self::TIME, $text, new \DateTimeZone('UTC'))
            : false;
        // PHP turns 30 February into 2 March.
        if ($time === false || $time->format(self::TIME) !== $text) {
            throw new InvalidPayloadException(
                'The signature is right, but its timestamp is not: it is no time such as '
                . '2025-01-15T14:23:00Z.',
            );
        }
        return $time;
    }
}
