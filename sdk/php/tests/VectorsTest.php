<?php

declare(strict_types=1);

namespace Winnerr\Webhooks\Tests;

use PHPUnit\Framework\TestCase;
use Winnerr\Webhooks\Event;
use Winnerr\Webhooks\InvalidPayloadException;
use Winnerr\Webhooks\InvalidSecretException;
use Winnerr\Webhooks\VerificationException;
use Winnerr\Webhooks\Webhook;

/** Every vector that all SDKs share. */
final class VectorsTest extends TestCase
{
    private const FILE = __DIR__ . '/../../vectors.json';
    private const ERRORS = [
        'invalid_secret' => InvalidSecretException::class,
        'invalid_payload' => InvalidPayloadException::class,
    ];

    public function testThereAreVectors(): void
    {
        if (!file_exists(self::FILE)) {
            $this->markTestSkipped('vectors.json is in the repository only.');
        }
        $file = json_decode(file_get_contents(self::FILE));
        self::assertSame(1, $file->version);
        self::assertGreaterThan(150, count($file->vectors));
    }

    public static function vectors(): iterable
    {
        $file = file_exists(self::FILE) ? json_decode(file_get_contents(self::FILE)) : null;
        foreach ($file->vectors ?? [] as $vector) {
            yield $vector->name => [$vector];
        }
    }

    /** @dataProvider vectors */
    public function testVector(object $vector): void
    {
        $event = null;
        try {
            $event = $this->verify($vector);
            $answer = 'ok';
        } catch (VerificationException $error) {
            $answer = $error->reason->value;
        } catch (InvalidSecretException | InvalidPayloadException $error) {
            $answer = array_flip(self::ERRORS)[$error::class];
        }
        $expect = $vector->expect;
        self::assertSame($expect->reason ?? $expect->error ?? 'ok', $answer);
        if ($event === null) {
            foreach (array_filter($vector->secrets) as $secret) {
                self::assertStringNotContainsString($secret, $error->getMessage());
            }
            return;
        }
        self::assertTrue($expect->ok);
        self::assertSame($expect->id, $event->id);
        self::assertSame($expect->signedAt, $event->signedAt?->getTimestamp());
        self::assertSame($expect->event, $event->type);
        self::assertSame($expect->timestamp, $event->timestamp->format('Y-m-d\TH:i:s\Z'));
        self::assertSame($expect->organizationId, $event->organizationId);
        self::assertSame(json_decode($expect->data, true), $event->data);
        self::assertSame(base64_decode($vector->body), $event->body);
        if ($vector->name === 'exact_numbers') {
            $exact = ['1.10', '1e400', '12345678901234567890', '-0.0'];
            self::assertSame($exact, array_values($event->exactData()));
        }
    }

    private function verify(object $vector): Event
    {
        $webhook = new Webhook($vector->secrets, $vector->tolerance, ...(array) $vector->options);
        $headers = [];
        foreach ($vector->headers as [$name, $value]) {
            $headers[$name][] = $value;
        }
        return $webhook->verify(base64_decode($vector->body), $headers, $vector->now);
    }
}
