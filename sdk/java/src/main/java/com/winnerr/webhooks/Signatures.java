package com.winnerr.webhooks;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/** What a well-formed {@code webhook-signature} looks like, and how signatures are compared. */
final class Signatures {
    static final Pattern BASE64_DIGEST = Pattern.compile("[A-Za-z0-9+/]{43}=");
    private static final Pattern OTHER_VERSION = Pattern.compile("[a-z0-9]+,[A-Za-z0-9+/]+={0,2}");
    private static final String V1 = "v1,";

    private Signatures() {}

    /**
     * Returns the base64 texts of the v1 entries, without the entries of other versions; empty if any
     * entry does not have its form or if there is none.
     */
    static Optional<List<String>> readStandard(String value) {
        List<String> texts = new ArrayList<>();
        boolean any = false;
        for (String entry : value.split(" ")) {
            if (entry.isEmpty()) {
                continue;
            }
            any = true;
            boolean isV1 = entry.startsWith(V1);
            String text = isV1 ? entry.substring(V1.length()) : "";
            if (isV1 && BASE64_DIGEST.matcher(text).matches()) {
                texts.add(text);
            } else if (isV1 || !OTHER_VERSION.matcher(entry).matches()) {
                return Optional.empty();
            }
        }
        return any ? Optional.of(texts) : Optional.empty();
    }

    /** Compares all with all, in a time that does not depend on what matches. */
    static boolean anyEqual(List<String> given, List<String> expected) {
        boolean equal = false;
        for (String one : given) {
            for (String other : expected) {
                equal |= MessageDigest.isEqual(one.getBytes(US_ASCII), other.getBytes(US_ASCII));
            }
        }
        return equal;
    }
}
