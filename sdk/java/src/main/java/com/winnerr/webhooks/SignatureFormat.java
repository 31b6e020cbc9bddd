package com.winnerr.webhooks;

import java.util.Base64;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How a product writes the signature of a body: text around {@code {hex}} or {@code {base64}}. */
final class SignatureFormat {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{(hex|base64)\\}");
    private static final Pattern HEX_DIGEST = Pattern.compile("[0-9A-Fa-f]{64}");

    private final String text;
    private final String before;
    private final String after;
    private final boolean isHex;

    SignatureFormat(String text) {
        Matcher found = PLACEHOLDER.matcher(text);
        if (PLACEHOLDER.matcher(text).results().count() != 1 || !found.find()) {
            throw new IllegalArgumentException("signatureFormat is text with one {hex} or {base64} in "
                    + "it, such as sha256={hex}; this is '" + text + "'.");
        }
        this.text = text;
        before = text.substring(0, found.start());
        after = text.substring(found.end());
        isHex = found.group(1).equals("hex");
    }

    /** Returns the header's value for a digest. */
    String write(byte[] digest) {
        return before + encode(digest) + after;
    }

    /** Returns the digest's text in a header's value; empty if the value has another form. */
    Optional<String> read(String value) {
        if (value.length() < before.length() + after.length()
                || !value.startsWith(before)
                || !value.endsWith(after)) {
            return Optional.empty();
        }
        String digest = value.substring(before.length(), value.length() - after.length());
        Pattern form = isHex ? HEX_DIGEST : Signatures.BASE64_DIGEST;
        if (!form.matcher(digest).matches()) {
            return Optional.empty();
        }
        return Optional.of(isHex ? digest.toLowerCase(Locale.ROOT) : digest);
    }

    String encode(byte[] digest) {
        if (!isHex) {
            return Base64.getEncoder().encodeToString(digest);
        }
        StringBuilder hex = new StringBuilder();
        for (byte one : digest) {
            hex.append(String.format("%02x", one));
        }
        return hex.toString();
    }

    @Override
    public String toString() {
        return text;
    }
}
