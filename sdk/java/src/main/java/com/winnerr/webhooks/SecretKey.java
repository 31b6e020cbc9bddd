package com.winnerr.webhooks;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.GeneralSecurityException;
import java.util.Base64;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A secret, ready to sign with by both schemes. */
final class SecretKey {
    private static final int SHORTEST = 8;
    private static final String WHSEC = "whsec_";
    private static final Pattern CONTROL = Pattern.compile("[\\x00-\\x1f\\x7f]");
    private static final Pattern BASE64 =
            Pattern.compile("(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?");

    private final byte[] whole;
    private final byte[] standard;

    SecretKey(String secret) {
        check(secret);
        whole = secret.getBytes(UTF_8);
        standard = secret.startsWith(WHSEC)
                ? Base64.getDecoder().decode(secret.substring(WHSEC.length()))
                : whole;
    }

    private static void check(String secret) {
        if (secret == null || secret.isEmpty()) {
            throw new InvalidSecretException(
                    "The secret is empty. Is the variable or file it comes from set?");
        }
        if (CONTROL.matcher(secret).find()) {
            throw new InvalidSecretException("The secret has a line break or another control "
                    + "character. Remove it; a secret read from a file often needs strip().");
        }
        int length = secret.codePointCount(0, secret.length());
        if (length < SHORTEST) {
            throw new InvalidSecretException("The secret has " + length + " characters, and a webhook's "
                    + "secret has at least " + SHORTEST + ". Copy the whole secret.");
        }
        if (secret.startsWith(WHSEC)
                && !BASE64.matcher(secret.substring(WHSEC.length())).matches()) {
            throw new InvalidSecretException("What follows whsec_ in the secret is not base64. Copy the "
                    + "whole secret, up to the last = sign.");
        }
    }

    /** Returns the digest that {@code X-Winnerr-Signature} shows. */
    byte[] signBody(byte[] body) {
        return hmac(whole, new byte[0], body);
    }

    /** Returns the base64 text that {@code webhook-signature} shows after {@code v1,}. */
    String signStandard(String eventId, String timestamp, byte[] body) {
        byte[] before = (eventId + "." + timestamp + ".").getBytes(UTF_8);
        return Base64.getEncoder().encodeToString(hmac(standard, before, body));
    }

    private static byte[] hmac(byte[] key, byte[] before, byte[] body) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(key, "HmacSHA256"));
            mac.update(before);
            return mac.doFinal(body);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("Every Java platform has HmacSHA256.", e);
        }
    }
}
