<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/** Why a request was refused. The values are the same words in every SDK. */
enum Reason: string
{
    case MissingHeader = 'missing_header';
    case MalformedHeader = 'malformed_header';
    case NoMatch = 'no_match';
    case TooOld = 'too_old';
    case TooNew = 'too_new';
}
