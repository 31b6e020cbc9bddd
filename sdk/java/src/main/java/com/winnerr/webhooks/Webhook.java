package com.winnerr.webhooks;

import com.winnerr.webhooks.VerificationException.Reason;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Verifies the requests of one webhook. It is immutable, and safe for use by many threads.
 *
 * <pre>{@code
 * Webhook webhook = Webhook.of(System.getenv("WINNERR_WEBHOOK_SECRET"));
 * Event event = webhook.verify(rawBody, headers);
 * }</pre>
 */
public final class Webhook {
    private static final String ID = "webhook-id";
    private static final String TIMESTAMP = "webhook-timestamp";
    private static final String SIGNATURE = "webhook-signature";
    private static final List<String> STANDARD = List.of(ID, TIMESTAMP, SIGNATURE);

    /** No full stop: it separates the signed parts, so the text could be split at other places. */
    private static final Pattern EVENT_ID = Pattern.compile("[A-Za-z0-9_-]{1,255}");

    private static final Pattern SECONDS = Pattern.compile("[0-9]{1,12}");

    private final List<SecretKey> keys;
    private final Duration tolerance;
    private final String prefix;
    private final String signatureHeader;
    private final SignatureFormat format;
    private final boolean requireTimestamp;

    private Webhook(Builder builder) {
        if (builder.secrets.isEmpty()) {
            throw new InvalidSecretException("Give at least one secret.");
        }
        if (builder.tolerance.isNegative()) {
            throw new IllegalArgumentException("tolerance is a duration of 0 or more.");
        }
        keys = builder.secrets.stream().map(SecretKey::new).collect(Collectors.toList());
        tolerance = builder.tolerance;
        prefix = builder.headerPrefix;
        signatureHeader =
                builder.signatureHeader == null ? prefix + "Signature" : builder.signatureHeader;
        format = new SignatureFormat(builder.signatureFormat);
        requireTimestamp = builder.requireTimestamp;
    }

    /**
     * Returns a webhook for the secret that the settings page shows. Give the old and the new secret
     * while you rotate: any of them may have signed.
     *
     * @throws InvalidSecretException if a secret cannot be right, such as null for a variable that is
     *     not set
     */
    public static Webhook of(String... secrets) {
        return builder(secrets).build();
    }

    /** Returns a builder, for settings that are not the default. */
    public static Builder builder(String... secrets) {
        return new Builder(secrets);
    }

    /**
     * Returns the event of a request that is genuine.
     *
     * @param body the raw body: the bytes as they came, before anything parsed them
     * @param headers every value of each header; names count in any case
     * @throws VerificationException if the request is not genuine
     * @throws InvalidPayloadException if the signature is right but the body is no event
     */
    public Event verify(byte[] body, Map<String, ? extends List<String>> headers)
            throws VerificationException {
        return verify(body, headers, Instant.now());
    }

    /**
     * Like {@link #verify(byte[], Map)}, for a request that was stored.
     *
     * @param now the time to judge by
     */
    public Event verify(byte[] body, Map<String, ? extends List<String>> headers, Instant now)
            throws VerificationException {
        return verify(body, valuesIn(headers), now);
    }

    /**
     * Like {@link #verify(byte[], Map)}, for servers that look headers up by name:
     *
     * <pre>{@code
     * webhook.verify(body, name -> Collections.list(request.getHeaders(name)))
     * }</pre>
     *
     * @param headers returns every value of the header of that name, in any case; an empty list or
     *     null if it is not there
     */
    public Event verify(byte[] body, Function<String, ? extends List<String>> headers)
            throws VerificationException {
        return verify(body, headers, Instant.now());
    }

    private Event verify(byte[] body, Function<String, ? extends List<String>> lookup, Instant now)
            throws VerificationException {
        Headers headers = new Headers(lookup);
        if (STANDARD.stream().noneMatch(headers::has)) {
            verifyOwn(body, headers);
            return Event.read(body).readHeaders(headers, prefix);
        }
        Instant signedAt = verifyStandard(body, headers, now);
        return Event.read(body).signed(one(headers, ID), signedAt).readHeaders(headers, prefix);
    }

    /** Judges by Standard Webhooks; returns the time that was signed. */
    private Instant verifyStandard(byte[] body, Headers headers, Instant now)
            throws VerificationException {
        for (String name : STANDARD) {
            if (!headers.has(name)) {
                throw new VerificationException(
                        Reason.MISSING_HEADER,
                        "The request has no " + name + ", but it has other webhook-… headers. Look "
                                + "whether a proxy removes it. Without a secret the webhook is not "
                                + "signed: set one on the settings page.");
            }
        }
        String id = one(headers, ID);
        String timestamp = one(headers, TIMESTAMP);
        String signature = one(headers, SIGNATURE);
        if (!EVENT_ID.matcher(id).matches()) {
            throw VerificationException.malformed(ID, "an id of letters, digits, _ and -");
        }
        if (!SECONDS.matcher(timestamp).matches()) {
            throw VerificationException.malformed(TIMESTAMP, "whole seconds since 1970");
        }
        List<String> texts = Signatures.readStandard(signature)
                .orElseThrow(() -> VerificationException.malformed(
                        SIGNATURE, "entries such as v1,<base64>, with a space between them"));
        if (texts.isEmpty()) {
            throw new VerificationException(
                    Reason.NO_MATCH,
                    SIGNATURE + " has no v1 entry, the one kind that a secret verifies. If the webhook "
                            + "signs with Ed25519 (v1a), set its signing to hmac.");
        }
        List<String> expected = keys.stream()
                .map(key -> key.signStandard(id, timestamp, body))
                .collect(Collectors.toList());
        if (!Signatures.anyEqual(texts, expected)) {
            throw VerificationException.noMatch(SIGNATURE);
        }
        Instant signedAt = Instant.ofEpochSecond(Long.parseLong(timestamp));
        checkTime(signedAt, now);
        return signedAt;
    }

    /** Judges by the product's own header, and by its twin while the secret is rotated. */
    private void verifyOwn(byte[] body, Headers headers) throws VerificationException {
        List<String> given = new ArrayList<>(List.of(signatureHeader, signatureHeader + "-Next"));
        given.removeIf(name -> !headers.has(name));
        if (given.isEmpty()) {
            throw new VerificationException(
                    Reason.MISSING_HEADER,
                    "The request has neither " + SIGNATURE + " nor " + signatureHeader + ". Does the "
                            + "webhook have a secret? If it does, look whether a proxy removes the "
                            + "headers, and whether the product uses another headerPrefix or "
                            + "signatureHeader.");
        }
        if (requireTimestamp) {
            throw new VerificationException(
                    Reason.MISSING_HEADER,
                    "The request has " + given.get(0) + " but no " + TIMESTAMP + ", and "
                            + "requireTimestamp is set. If the sender sends the webhook-… headers, "
                            + "something between removes them.");
        }
        List<String> texts = new ArrayList<>();
        for (String name : given) {
            texts.add(format.read(one(headers, name))
                    .orElseThrow(() -> VerificationException.malformed(name, "of the form " + format)));
        }
        List<String> expected =
                keys.stream().map(key -> format.encode(key.signBody(body))).collect(Collectors.toList());
        if (!Signatures.anyEqual(texts, expected)) {
            throw VerificationException.noMatch(signatureHeader);
        }
    }

    private void checkTime(Instant signedAt, Instant now) throws VerificationException {
        Duration age = Duration.between(signedAt, now);
        if (age.abs().compareTo(tolerance) <= 0) {
            return;
        }
        boolean isOld = !age.isNegative();
        throw new VerificationException(
                isOld ? Reason.TOO_OLD : Reason.TOO_NEW,
                "The signature is right, but the request was signed " + age.abs().getSeconds() + " s "
                        + (isOld ? "ago" : "ahead of this machine") + ", and tolerance is "
                        + tolerance.getSeconds() + " s. Check this machine's clock (NTP). "
                        + (isOld
                                ? "If it is right, somebody may be sending an old request again: do "
                                        + "not act on it."
                                : "If it is right, the sender's clock is wrong."));
    }

    /** Returns the value of a header that has to be there once, and that is there. */
    private static String one(Headers headers, String name) throws VerificationException {
        List<String> values = headers.all(name);
        if (values.size() > 1) {
            throw VerificationException.malformed(name, "there once");
        }
        return values.get(0);
    }

    private static Function<String, List<String>> valuesIn(
            Map<String, ? extends List<String>> headers) {
        return wanted -> headers.entrySet().stream()
                // Some clients and servers keep the first line under the name null.
                .filter(entry -> entry.getKey() != null && entry.getKey().equalsIgnoreCase(wanted))
                .flatMap(entry -> entry.getValue().stream())
                .collect(Collectors.toList());
    }

    /**
     * Returns the headers that the server sends with this body, signed now, with new ids. It
     * is for the tests of receivers.
     *
     * @param body a whole payload with event, timestamp, organizationId and data
     */
    public Map<String, List<String>> sign(byte[] body) {
        return sign(body, randomId("evt_"), Instant.now());
    }

    /**
     * Like {@link #sign(byte[])}. With two secrets, the request is signed as during a rotation, with
     * the first secret as the old one.
     */
    public Map<String, List<String>> sign(byte[] body, String eventId, Instant signedAt) {
        String eventType;
        try {
            eventType = Event.read(body).type();
        } catch (InvalidPayloadException e) {
            eventType = "unknown"; // a test may send anything
        }
        String timestamp = Long.toString(signedAt.getEpochSecond());
        Map<String, List<String>> headers = new LinkedHashMap<>();
        headers.put("Content-Type", List.of("application/json"));
        headers.put("User-Agent", List.of("Winnerr-Webhooks/test"));
        headers.put(prefix + "Event", List.of(eventType));
        headers.put(prefix + "Delivery", List.of(randomId("dlv_")));
        headers.put(prefix + "Webhook", List.of("wh_test"));
        headers.put(prefix + "Attempt", List.of("1"));
        headers.put(signatureHeader, List.of(format.write(keys.get(0).signBody(body))));
        if (keys.size() > 1) {
            String next = format.write(keys.get(1).signBody(body));
            headers.put(signatureHeader + "-Next", List.of(next));
        }
        headers.put(ID, List.of(eventId));
        headers.put(TIMESTAMP, List.of(timestamp));
        headers.put(SIGNATURE, List.of(keys.stream()
                .map(key -> "v1," + key.signStandard(eventId, timestamp, body))
                .collect(Collectors.joining(" "))));
        return headers;
    }

    private static String randomId(String prefix) {
        SecureRandom random = new SecureRandom();
        return prefix + String.format("%016x%010x", random.nextLong(), random.nextInt());
    }

    /** Settings of a {@link Webhook}. */
    public static final class Builder {
        private final List<String> secrets;
        private Duration tolerance = Duration.ofMinutes(5);
        private String headerPrefix = "X-Winnerr-";
        private String signatureHeader;
        private String signatureFormat = "sha256={hex}";
        private boolean requireTimestamp;

        private Builder(String... secrets) {
            this.secrets = new ArrayList<>();
            for (String secret : secrets) {
                this.secrets.add(secret);
            }
        }

        /** How far the time of signing may lie in the past or in the future; 5 minutes by default. */
        public Builder tolerance(Duration tolerance) {
            this.tolerance = Objects.requireNonNull(tolerance);
            return this;
        }

        /** What the names of the product's own headers begin with; {@code X-Winnerr-} by default. */
        public Builder headerPrefix(String headerPrefix) {
            this.headerPrefix = Objects.requireNonNull(headerPrefix);
            return this;
        }

        /** The exact name of the product's own signature header; by default the prefix and Signature. */
        public Builder signatureHeader(String signatureHeader) {
            this.signatureHeader = Objects.requireNonNull(signatureHeader);
            return this;
        }

        /**
         * How that header is written: {@code {hex}} or {@code {base64}} with any text around it; {@code
         * sha256={hex}} by default.
         */
        public Builder signatureFormat(String signatureFormat) {
            this.signatureFormat = Objects.requireNonNull(signatureFormat);
            return this;
        }

        /**
         * Refuses requests that carry {@code X-Winnerr-Signature} alone. That scheme signs no time, so
         * it cannot tell a request that is sent again.
         */
        public Builder requireTimestamp() {
            requireTimestamp = true;
            return this;
        }

        /**
         * Returns the webhook.
         *
         * @throws InvalidSecretException if a secret cannot be right
         * @throws IllegalArgumentException if a setting cannot be right
         */
        public Webhook build() {
            return new Webhook(this);
        }
    }
}
