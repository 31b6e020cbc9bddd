<?php

declare(strict_types=1);

namespace Winnerr\Webhooks\Tests;

use PHPUnit\Framework\TestCase;
use Winnerr\Webhooks\InvalidPayloadException;
use Winnerr\Webhooks\InvalidSecretException;
use Winnerr\Webhooks\Reason;
use Winnerr\Webhooks\VerificationException;
use Winnerr\Webhooks\Webhook;

final class WebhookTest extends TestCase
{
    private const SECRET = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
    private const BODY = '{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1",'
        . '"data":{"amount":1.10,"huge":1e400,"count":12345678901234567890,"text":"\"1.10 é"}}';
    private const NOW = 1736950985;

    /** Names count in any case, and values may be lists, as in PSR-7, Symfony and Laravel. */
    public function testHeadersMayBeOfAnyFramework(): void
    {
        $webhook = new Webhook(self::SECRET);
        $headers = $webhook->sign(self::BODY);
        $lists = array_map(static fn (string $value) => [$value], array_change_key_case($headers));
        $pairs = (static fn () => yield from $headers)();
        foreach ([$headers, array_change_key_case($headers, CASE_UPPER), $lists, $pairs] as $given) {
            self::assertSame('deal.created', $webhook->verify(self::BODY, $given)->type);
        }
    }

    /** What the headers say is on the event, and what is not understood is left out. */
    public function testHeadersAreOnTheEvent(): void
    {
        $webhook = new Webhook(self::SECRET, headerPrefix: 'X-Globex-');
        $headers = $webhook->sign(self::BODY, 'evt_1', 'dlv_1', attempt: 3, test: true);
        $event = $webhook->verify(self::BODY, $headers);
        self::assertSame(['evt_1', 'dlv_1', 'wh_test'], [$event->id, $event->deliveryId, $event->webhookId]);
        self::assertSame([3, true], [$event->attempt, $event->test]);
        self::assertEqualsWithDelta(time(), $event->signedAt->getTimestamp(), 60);
        unset($headers['X-Globex-Delivery'], $headers['X-Globex-Test']);
        $event = $webhook->verify(self::BODY, ['X-Globex-Attempt' => 'many'] + $headers);
        self::assertSame([null, null, false], [$event->deliveryId, $event->attempt, $event->test]);
    }

    /** Numbers can be had exactly, and numbers in strings stay as they are. */
    public function testNumbersCanBeHadExactly(): void
    {
        $webhook = new Webhook(self::SECRET);
        $event = $webhook->verify(self::BODY, $webhook->sign(self::BODY));
        self::assertSame(
            ['amount' => '1.10', 'huge' => '1e400', 'count' => '12345678901234567890', 'text' => '"1.10 é'],
            $event->exactData(),
        );
        self::assertSame(1.1, $event->data['amount']);
    }

    /** A body as large as the server sends is within PCRE's limits. */
    public function testALargeBodyCanBeHadExactly(): void
    {
        $webhook = new Webhook(self::SECRET);
        $body = str_replace('\"1.10', str_repeat('\"1.10\\\\', 30000), self::BODY);
        $event = $webhook->verify($body, $webhook->sign($body));
        self::assertSame('1.10', $event->exactData()['amount']);
        self::assertSame($event->data['text'], $event->exactData()['text']);
    }

    /** During a rotation, a receiver that knows either secret verifies requests by either scheme. */
    public function testDuringARotationEitherSecretVerifies(): void
    {
        $both = (new Webhook(['the old secret', self::SECRET]))->sign(self::BODY);
        $own = array_filter($both, static fn ($name) => str_starts_with($name, 'X-'), ARRAY_FILTER_USE_KEY);
        foreach ([$both, $own] as $headers) {
            foreach (['the old secret', self::SECRET, [self::SECRET, 'the old secret']] as $known) {
                self::assertSame('org_1', (new Webhook($known))->verify(self::BODY, $headers)->organizationId);
            }
            self::assertSame(Reason::NoMatch, $this->refusal('another secret', $headers)->reason);
        }
    }

    /** A refusal for its time says by how much, and that a clock may be wrong. */
    public function testARefusalForItsTimeSaysByHowMuch(): void
    {
        $times = [[-3600, Reason::TooOld, '3600 s ago'], [3600, Reason::TooNew, '3600 s ahead']];
        foreach ($times as [$offset, $reason, $words]) {
            $headers = (new Webhook(self::SECRET))->sign(self::BODY, signedAt: self::NOW + $offset);
            $refusal = $this->refusal(self::SECRET, $headers);
            self::assertSame($reason, $refusal->reason);
            self::assertStringContainsString($words, $refusal->getMessage());
            self::assertStringContainsString('clock', $refusal->getMessage());
        }
    }

    /** A request that lacks one header and has another twice is refused for what is missing. */
    public function testWhatIsMissingComesBeforeWhatIsThereTwice(): void
    {
        $headers = (new Webhook(self::SECRET))->sign(self::BODY, signedAt: self::NOW);
        $headers['webhook-id'] = ['evt_1', 'evt_1'];
        self::assertSame(Reason::MalformedHeader, $this->refusal(self::SECRET, $headers)->reason);
        unset($headers['webhook-signature']);
        self::assertSame(Reason::MissingHeader, $this->refusal(self::SECRET, $headers)->reason);
    }

    private function refusal(string $secret, array $headers): VerificationException
    {
        try {
            (new Webhook($secret))->verify(self::BODY, $headers, self::NOW);
        } catch (VerificationException $refusal) {
            return $refusal;
        }
        self::fail('The request was not refused.');
    }

    public static function badSecrets(): iterable
    {
        return [[false], [null], [''], [[]], [[self::SECRET, null]], ["not UTF-8 \xff"], ["a secret\n"]];
    }

    /**
     * A variable that is not set never means "accept everything".
     *
     * @dataProvider badSecrets
     */
    public function testASecretThatCannotBeRightIsAnError(string|array|false|null $secret): void
    {
        $this->expectException(InvalidSecretException::class);
        new Webhook($secret);
    }

    public static function badFormats(): iterable
    {
        return [[''], ['sha256='], ['{hex}{base64}'], ['{hex}{hex}'], ['{HEX}']];
    }

    /** @dataProvider badFormats */
    public function testASignatureFormatWithoutOnePlaceholderIsAnError(string $format): void
    {
        $this->expectException(\InvalidArgumentException::class);
        $this->expectExceptionMessage('{hex}');
        new Webhook(self::SECRET, signatureFormat: $format);
    }

    public function testANegativeToleranceIsAnError(): void
    {
        $this->expectException(\InvalidArgumentException::class);
        $this->expectExceptionMessage('tolerance');
        new Webhook(self::SECRET, -1);
    }

    private const GOOD = '{ "event" : "e" , "timestamp" : "2025-01-15T14:23:00Z" , "organizationId" : "o" , "data" : %s }';

    /** Data that look like a list as arrays are told from a list. */
    public function testDataIsAnyObject(): void
    {
        $webhook = new Webhook(self::SECRET);
        foreach (['{}', '{"0":1}', '{"\u0000name":"\u0000"}', '{"":{"\"\u0000":"\\\\"}}'] as $data) {
            $body = sprintf(self::GOOD, $data);
            self::assertSame(json_decode($data, true), $webhook->verify($body, $webhook->sign($body))->data);
        }
    }

    public static function noEvents(): iterable
    {
        $good = sprintf(self::GOOD, '{}');
        $changes = [
            ['"event"', '"Event"'], ['"e"', 'null'], ['"e"', '7'], ['{}', '[]'], ['{}', '[1]'], ['{}', 'null'],
            ['00Z', '00+00:00'], ['00Z', '00.5Z'], ['00Z', '00Z\n'], ['00Z', '00Z\u0000'], ['01-15', '02-30'], ['{}', '{} } {'],
            ['{}', '{},'], [$good, 'null'], [$good, '7'], [$good, ''], ['"o"', "\"\xff\""], [$good, "\u{feff}$good"],
        ];
        foreach ($changes as [$part, $change]) {
            yield [str_replace($part, $change, $good)];
        }
    }

    /**
     * A signed body is an event only if it has the keys, kinds and time of a payload.
     *
     * @dataProvider noEvents
     */
    public function testABodyThatIsNoEventIsAnErrorOfItsOwn(string $body): void
    {
        $webhook = new Webhook(self::SECRET);
        $this->expectException(InvalidPayloadException::class);
        $webhook->verify($body, $webhook->sign($body));
    }

    /** Dumping a webhook, or an error on the way, does not show its secret. */
    public function testTheSecretIsNotInDumps(): void
    {
        $webhook = new Webhook('a plain secret');
        self::assertStringNotContainsString('a plain secret', print_r($webhook, true));
    }
}
