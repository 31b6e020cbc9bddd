<?php

declare(strict_types=1);

namespace Winnerr\Webhooks\Tests;

use PHPUnit\Framework\TestCase;
use Winnerr\Webhooks\Webhook;

/** A request that goes through a real HTTP server. */
final class RealServerTest extends TestCase
{
    private const BODY = '{"event":"deal.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_1",'
        . '"data":{"name":"Zoë","amount":1.10}}';

    /** @var resource */
    private $server;
    private string $url;

    protected function setUp(): void
    {
        $this->server = proc_open(
            [PHP_BINARY, '-S', '127.0.0.1:0', __DIR__ . '/receiver.php'],
            [1 => ['file', '/dev/null', 'w'], 2 => ['pipe', 'w']],
            $pipes,
            null,
            ['WINNERR_WEBHOOK_SECRET' => 'a secret for tests'],
        );
        self::assertMatchesRegularExpression('~http://[0-9.:]+~', $line = (string) fgets($pipes[2]));
        preg_match('~http://[0-9.:]+~', $line, $found);
        $this->url = $found[0];
    }

    protected function tearDown(): void
    {
        proc_terminate($this->server);
        proc_close($this->server);
    }

    public function testItIsVerifiedByWhatPhpHandsOver(): void
    {
        $headers = (new Webhook('a secret for tests'))->sign(self::BODY, 'evt_1');
        self::assertSame('deal.created evt_1', $this->post(self::BODY, $headers));
        self::assertStringContainsString('does not match', $this->post(self::BODY . "\n", $headers));
        self::assertStringContainsString('have a secret?', $this->post(self::BODY, ['Content-Type' => 'text/plain']));
    }

    private function post(string $body, array $headers): string
    {
        $lines = array_map(static fn ($name) => "$name: {$headers[$name]}", array_keys($headers));
        $http = ['method' => 'POST', 'header' => $lines, 'content' => $body, 'ignore_errors' => true];
        return (string) file_get_contents($this->url, false, stream_context_create(['http' => $http]));
    }
}
