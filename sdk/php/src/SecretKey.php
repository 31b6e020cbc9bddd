<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * A secret, ready to sign with by both schemes.
 *
 * @internal
 */
final class SecretKey
{
    private const SHORTEST = 8;
    private const WHSEC = 'whsec_';
    private const BASE64 = '~\A(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\z~';

    private readonly string $whole;
    private readonly string $standard;

    public function __construct(#[\SensitiveParameter] string $secret)
    {
        self::check($secret);
        $this->whole = $secret;
        $this->standard = str_starts_with($secret, self::WHSEC)
            ? (string) base64_decode(substr($secret, strlen(self::WHSEC)), true)
            : $secret;
    }

    /** Keeps the secret out of dumps. */
    public function __debugInfo(): array
    {
        return [];
    }

    /** Returns the digest, as bytes, that `X-Winnerr-Signature` shows. */
    public function signBody(string $body): string
    {
        return hash_hmac('sha256', $body, $this->whole, true);
    }

    /** Returns the base64 text that `webhook-signature` shows after `v1,`. */
    public function signStandard(string $eventId, string $timestamp, string $body): string
    {
        return base64_encode(hash_hmac('sha256', "$eventId.$timestamp.$body", $this->standard, true));
    }

    private static function check(#[\SensitiveParameter] string $secret): void
    {
        if ($secret === '') {
            throw new InvalidSecretException(
                'The secret is empty. Is the variable or file it comes from set?',
            );
        }
        $length = preg_match_all('/./su', $secret);
        if ($length === false) {
            throw new InvalidSecretException(
                'The secret is not UTF-8. Copy it from the settings page as text.',
            );
        }
        if (preg_match('/[\x00-\x1f\x7f]/', $secret)) {
            throw new InvalidSecretException(
                'The secret has a line break or another control character. '
                . 'Remove it; a secret read from a file often needs trim().',
            );
        }
        if ($length < self::SHORTEST) {
            throw new InvalidSecretException(
                "The secret has $length characters, and a webhook's secret has at least "
                . self::SHORTEST . '. Copy the whole secret.',
            );
        }
        $isWhsec = str_starts_with($secret, self::WHSEC);
        if ($isWhsec && !preg_match(self::BASE64, substr($secret, strlen(self::WHSEC)))) {
            throw new InvalidSecretException(
                'What follows whsec_ in the secret is not base64. Copy the whole secret, '
                . 'up to the last = sign.',
            );
        }
    }
}
