<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/** No webhook can have this secret. The message says what to do, and does not hold the secret. */
final class InvalidSecretException extends \InvalidArgumentException
{
}
