<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * The request was not signed with one of the secrets, or not lately. Do not act on it.
 *
 * The message says what it means and what to do. It holds neither a secret nor a signature, so it
 * may be logged and sent back.
 */
final class VerificationException extends \RuntimeException
{
    public function __construct(public readonly Reason $reason, string $message)
    {
        parent::__construct($message);
    }

    /** @internal */
    public static function malformed(string $name, string $form): self
    {
        return new self(
            Reason::MalformedHeader,
            "$name is not $form. Pass the headers as they came; if they are, something on the way "
            . 'changed this one, or the request is not from the product.',
        );
    }

    /** @internal */
    public static function noMatch(string $name): self
    {
        return new self(
            Reason::NoMatch,
            "$name does not match this body and secret. Most often the body is not the raw one: "
            . 'verify the bytes as they came, before anything parses, decodes or trims them. '
            . 'Otherwise compare the secret with the one on the settings page, and if it was rotated, '
            . 'give both.',
        );
    }
}
