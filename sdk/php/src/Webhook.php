<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * Verifies the requests of one webhook.
 *
 *     $webhook = new Webhook(getenv('WINNERR_WEBHOOK_SECRET'));
 *     $event = $webhook->verify(file_get_contents('php://input'), getallheaders());
 */
final class Webhook
{
    private const ID = 'webhook-id';
    private const TIMESTAMP = 'webhook-timestamp';
    private const SIGNATURE = 'webhook-signature';
    private const STANDARD = [self::ID, self::TIMESTAMP, self::SIGNATURE];

    /** @var list<SecretKey> */
    private readonly array $keys;
    private readonly string $signatureHeader;
    private readonly SignatureFormat $format;

    /**
     * @param string|false|null|list<string> $secrets the webhook's secret as the settings page shows
     *     it, or a list of which any may have signed: give the old and the new one while you rotate.
     *     False and null stand for a variable that is not set, and are an error
     * @param int|float $tolerance seconds that the time of signing may lie in the past or in the future
     * @param string $headerPrefix what the names of the product's own headers begin with
     * @param ?string $signatureHeader the exact name of the product's own signature header; if null,
     *     the prefix and `Signature`
     * @param string $signatureFormat how that header is written: `{hex}` or `{base64}` with any text
     *     around it
     * @param bool $requireTimestamp refuses requests that carry `X-Winnerr-Signature` alone. That
     *     scheme signs no time, so it cannot tell a request that is sent again
     *
     * @throws InvalidSecretException if a secret cannot be right
     * @throws \InvalidArgumentException if a setting cannot be right
     */
    public function __construct(
        #[\SensitiveParameter] string|array|false|null $secrets,
        private readonly int|float $tolerance = 300,
        private readonly string $headerPrefix = 'X-Winnerr-',
        ?string $signatureHeader = null,
        string $signatureFormat = 'sha256={hex}',
        private readonly bool $requireTimestamp = false,
    ) {
        if ($secrets === []) {
            throw new InvalidSecretException('Give at least one secret.');
        }
        if ($tolerance < 0) {
            throw new \InvalidArgumentException('tolerance is a number of seconds, 0 or more.');
        }
        $this->keys = array_map(
            static fn (#[\SensitiveParameter] $secret) => new SecretKey((string) $secret),
            is_array($secrets) ? array_values($secrets) : [$secrets],
        );
        $this->signatureHeader = $signatureHeader ?? "{$headerPrefix}Signature";
        $this->format = new SignatureFormat($signatureFormat);
    }

    /**
     * Returns the event of a request that is genuine.
     *
     * @param string $body the raw body: the bytes as they came, before anything parsed them
     * @param iterable<string, string|iterable<string>> $headers by name, in any case; a list for a
     *     header that came more than once
     * @param int|float|null $now the time to judge by, in seconds since 1970, for a request that was
     *     stored; if null, it is now
     *
     * @throws VerificationException if the request is not genuine
     * @throws InvalidPayloadException if the signature is right but the body is no event
     */
    public function verify(string $body, iterable $headers, int|float|null $now = null): Event
    {
        $given = new Headers($headers);
        $id = $signedAt = null;
        if (array_filter(self::STANDARD, $given->has(...))) {
            [$id, $signedAt] = $this->verifyStandard($body, $given, $now ?? microtime(true));
        } else {
            $this->verifyOwn($body, $given);
        }
        return Event::read($body, $given, $this->headerPrefix, $id, $signedAt);
    }

    /**
     * Returns the headers that the server sends with this body. It is for the tests of receivers.
     *
     * With two secrets, the request is signed as during a rotation, with the first one as the old one.
     *
     * @param string $body a whole payload with event, timestamp, organizationId and data
     * @param ?int $signedAt seconds since 1970; if null, it is now
     *
     * @return array<string, string>
     */
    public function sign(
        string $body,
        ?string $eventId = null,
        ?string $deliveryId = null,
        ?int $signedAt = null,
        int $attempt = 1,
        bool $test = false,
    ): array {
        $eventId ??= 'evt_' . bin2hex(random_bytes(13));
        $timestamp = (string) ($signedAt ?? time());
        $entries = array_map(
            static fn (SecretKey $key) => 'v1,' . $key->signStandard($eventId, $timestamp, $body),
            $this->keys,
        );
        $type = json_decode($body, true)['event'] ?? 'unknown'; // a test may send anything
        $headers = [
            'Content-Type' => 'application/json',
            'User-Agent' => 'Winnerr-Webhooks/test',
            "{$this->headerPrefix}Event" => is_string($type) ? $type : 'unknown',
            "{$this->headerPrefix}Delivery" => $deliveryId ?? 'dlv_' . bin2hex(random_bytes(13)),
            "{$this->headerPrefix}Webhook" => 'wh_test',
            "{$this->headerPrefix}Attempt" => (string) $attempt,
            $this->signatureHeader => $this->format->write($this->keys[0]->signBody($body)),
            self::ID => $eventId,
            self::TIMESTAMP => $timestamp,
            self::SIGNATURE => implode(' ', $entries),
        ];
        if (isset($this->keys[1])) {
            $next = $this->format->write($this->keys[1]->signBody($body));
            $headers["{$this->signatureHeader}-Next"] = $next;
        }
        return $test ? $headers + ["{$this->headerPrefix}Test" => 'true'] : $headers;
    }

    /**
     * Judges by Standard Webhooks.
     *
     * @return array{string, int} the id and the time that were signed
     */
    private function verifyStandard(string $body, Headers $headers, int|float $now): array
    {
        foreach (self::STANDARD as $name) {
            if (!$headers->has($name)) {
                throw new VerificationException(
                    Reason::MissingHeader,
                    "The request has no $name, but it has other webhook-… headers. Look whether a "
                    . 'proxy removes it. Without a secret the webhook is not signed: set one on the '
                    . 'settings page.',
                );
            }
        }
        [$id, $timestamp, $signature] = array_map($headers->one(...), self::STANDARD);
        // No full stop: it separates the signed parts, so the text could be split at other places.
        if (!preg_match('/\A[A-Za-z0-9_-]{1,255}\z/', $id)) {
            throw VerificationException::malformed(self::ID, 'an id of letters, digits, _ and -');
        }
        if (!preg_match('/\A[0-9]{1,12}\z/', $timestamp)) {
            throw VerificationException::malformed(self::TIMESTAMP, 'whole seconds since 1970');
        }
        $texts = self::readStandard($signature);
        if ($texts === []) {
            throw new VerificationException(
                Reason::NoMatch,
                self::SIGNATURE . ' has no v1 entry, the one kind that a secret verifies. If the '
                . 'webhook signs with Ed25519 (v1a), set its signing to hmac.',
            );
        }
        $expected = array_map(
            static fn (SecretKey $key) => $key->signStandard($id, $timestamp, $body),
            $this->keys,
        );
        if (!self::anyEqual($texts, $expected)) {
            throw VerificationException::noMatch(self::SIGNATURE);
        }
        $this->checkTime((int) $timestamp, $now);
        return [$id, (int) $timestamp];
    }

    /** Judges by the product's own header, and by its twin while the secret is rotated. */
    private function verifyOwn(string $body, Headers $headers): void
    {
        $names = [$this->signatureHeader, "{$this->signatureHeader}-Next"];
        $given = array_values(array_filter($names, $headers->has(...)));
        if ($given === []) {
            throw new VerificationException(
                Reason::MissingHeader,
                'The request has neither ' . self::SIGNATURE . " nor {$this->signatureHeader}. Does the "
                . 'webhook have a secret? If it does, look whether a proxy removes the headers, and '
                . 'whether the product uses another headerPrefix or signatureHeader.',
            );
        }
        if ($this->requireTimestamp) {
            throw new VerificationException(
                Reason::MissingHeader,
                "The request has {$given[0]} but no " . self::TIMESTAMP . ', and requireTimestamp is '
                . 'set. If the sender sends the webhook-… headers, something between removes them.',
            );
        }
        $texts = [];
        foreach ($given as $name) {
            $texts[] = $this->format->read($headers->one($name))
                ?? throw VerificationException::malformed($name, "of the form {$this->format->text}");
        }
        $expected = array_map(
            fn (SecretKey $key) => $this->format->encode($key->signBody($body)),
            $this->keys,
        );
        if (!self::anyEqual($texts, $expected)) {
            throw VerificationException::noMatch($this->signatureHeader);
        }
    }

    private function checkTime(int $signedAt, int|float $now): void
    {
        $age = $now - $signedAt;
        if (abs($age) <= $this->tolerance) {
            return;
        }
        throw new VerificationException(
            $age > 0 ? Reason::TooOld : Reason::TooNew,
            sprintf(
                'The signature is right, but the request was signed %.0F s %s, and tolerance is %s s. '
                . "Check this machine's clock (NTP). %s",
                abs($age),
                $age > 0 ? 'ago' : 'ahead of this machine',
                $this->tolerance,
                $age > 0
                    ? 'If it is right, somebody may be sending an old request again: do not act on it.'
                    : "If it is right, the sender's clock is wrong.",
            ),
        );
    }

    /**
     * Returns the base64 texts of the v1 entries. Entries of other versions are left out.
     *
     * @return list<string>
     */
    private static function readStandard(string $signature): array
    {
        $texts = [];
        $entries = array_filter(explode(' ', $signature), static fn (string $entry) => $entry !== '');
        foreach ($entries as $entry) {
            if (preg_match('~\Av1,([A-Za-z0-9+/]{43}=)\z~', $entry, $found)) {
                $texts[] = $found[1];
            } elseif (!preg_match('~\A(?!v1,)[a-z0-9]+,[A-Za-z0-9+/]+={0,2}\z~', $entry)) {
                $entries = [];
                break;
            }
        }
        if ($entries === []) {
            throw VerificationException::malformed(
                self::SIGNATURE,
                'entries such as v1,<base64>, with a space between them',
            );
        }
        return $texts;
    }

    /**
     * Compares all with all, in a time that does not depend on what matches.
     *
     * @param list<string> $given
     * @param list<string> $expected
     */
    private static function anyEqual(array $given, array $expected): bool
    {
        $equal = false;
        foreach ($given as $one) {
            foreach ($expected as $other) {
                $equal = hash_equals($other, $one) || $equal;
            }
        }
        return $equal;
    }
}
