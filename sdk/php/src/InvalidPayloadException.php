<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * The signature is right, but the body is not an event.
 *
 * Most often another product signs its requests with the same secret.
 */
final class InvalidPayloadException extends \RuntimeException
{
}
