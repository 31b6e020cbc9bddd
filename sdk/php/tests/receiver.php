<?php

// The receiver of the README, for PHP's own web server.

declare(strict_types=1);

use Winnerr\Webhooks\InvalidPayloadException;
use Winnerr\Webhooks\VerificationException;
use Winnerr\Webhooks\Webhook;

require __DIR__ . '/../vendor/autoload.php';

$webhook = new Webhook(getenv('WINNERR_WEBHOOK_SECRET'));
try {
    $event = $webhook->verify(file_get_contents('php://input'), getallheaders());
} catch (VerificationException | InvalidPayloadException $error) {
    http_response_code($error instanceof VerificationException ? 401 : 422);
    exit($error->getMessage()); // it says what to do
}
http_response_code(200);
echo "$event->type $event->id";
