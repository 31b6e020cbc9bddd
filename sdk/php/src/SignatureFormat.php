<?php

declare(strict_types=1);

namespace Winnerr\Webhooks;

/**
 * How a product writes the signature of a body: text around `{hex}` or `{base64}`.
 *
 * @internal
 */
final class SignatureFormat
{
    private readonly bool $isHex;
    private readonly string $pattern;

    public function __construct(public readonly string $text)
    {
        if (preg_match_all('/\{hex\}|\{base64\}/', $text, $found) !== 1) {
            throw new \InvalidArgumentException(
                "signatureFormat is text with one {hex} or {base64} in it, such as 'sha256={hex}'; "
                . "this is '$text'.",
            );
        }
        $this->isHex = $found[0][0] === '{hex}';
        [$before, $after] = explode($found[0][0], $text);
        $digest = $this->isHex ? '([0-9A-Fa-f]{64})' : '([A-Za-z0-9+/]{43}=)';
        $this->pattern = '~\A' . preg_quote($before, '~') . $digest . preg_quote($after, '~') . '\z~';
    }

    /** Returns the header's value for a digest. */
    public function write(string $digest): string
    {
        return str_replace(['{hex}', '{base64}'], $this->encode($digest), $this->text);
    }

    /** Returns the digest's text in a header's value; null if the value has another form. */
    public function read(string $value): ?string
    {
        if (!preg_match($this->pattern, $value, $found)) {
            return null;
        }
        return $this->isHex ? strtolower($found[1]) : $found[1];
    }

    public function encode(string $digest): string
    {
        return $this->isHex ? bin2hex($digest) : base64_encode($digest);
    }
}
