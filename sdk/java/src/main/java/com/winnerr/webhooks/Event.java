package com.winnerr.webhooks;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/** Something that happened, as a verified request tells it. */
public final class Event {
    private static final Pattern TIME =
            Pattern.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z");
    private static final Pattern ATTEMPT = Pattern.compile("[0-9]{1,9}");

    private final byte[] body;
    private final String type;
    private final Instant timestamp;
    private final String organizationId;
    private final String dataJson;
    private String id;
    private Instant signedAt;
    private String deliveryId;
    private String webhookId;
    private Integer attempt;
    private boolean test;

    private Event(byte[] body, Map<String, String> members) {
        this.body = body.clone();
        type = string(members, "event");
        organizationId = string(members, "organizationId");
        String time = string(members, "timestamp");
        dataJson = members.getOrDefault("data", "");
        if (!dataJson.startsWith("{")) {
            throw lacks();
        }
        timestamp = parse(time);
    }

    /** Parses a verified body. */
    static Event read(byte[] body) {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body)).toString();
        } catch (CharacterCodingException e) {
            throw new InvalidPayloadException("the body is not UTF-8.");
        }
        Map<String, String> members;
        try {
            members = JsonObject.read(text);
        } catch (IllegalArgumentException e) {
            throw new InvalidPayloadException("the body is not a JSON object: " + e.getMessage() + ".");
        }
        return new Event(body, members);
    }

    Event signed(String eventId, Instant at) {
        id = eventId;
        signedAt = at;
        return this;
    }

    /** Takes what the headers say; leaves out what it does not understand. */
    Event readHeaders(Headers headers, String prefix) {
        deliveryId = headers.first(prefix + "Delivery").orElse(null);
        webhookId = headers.first(prefix + "Webhook").orElse(null);
        attempt = headers.first(prefix + "Attempt")
                .filter(text -> ATTEMPT.matcher(text).matches())
                .map(Integer::valueOf)
                .orElse(null);
        test = headers.first(prefix + "Test").filter("true"::equals).isPresent();
        return this;
    }

    private static String string(Map<String, String> members, String name) {
        String json = members.getOrDefault(name, "");
        if (!json.startsWith("\"")) {
            throw lacks();
        }
        return JsonObject.readString(json);
    }

    private static Instant parse(String time) {
        try {
            if (TIME.matcher(time).matches()) {
                return Instant.parse(time);
            }
        } catch (DateTimeException e) {
            // The form is right and the date is not: the same error as for another form.
        }
        throw new InvalidPayloadException(
                "its timestamp is not: it is no time such as 2025-01-15T14:23:00Z.");
    }

    private static InvalidPayloadException lacks() {
        return new InvalidPayloadException(
                "the body lacks event, timestamp, organizationId or data.");
    }

    /** Such as {@code contact.created}. */
    public String type() {
        return type;
    }

    /** When it happened. */
    public Instant timestamp() {
        return timestamp;
    }

    public String organizationId() {
        return organizationId;
    }

    /**
     * {@code data} as the JSON text that came, with every digit of its numbers. Read it with the JSON
     * library of your application.
     */
    public String dataJson() {
        return dataJson;
    }

    /**
     * {@code evt_…}, the same on every delivery of this event. It was signed. Empty if the request had
     * no {@code webhook-…} headers.
     */
    public Optional<String> id() {
        return Optional.ofNullable(id);
    }

    /** When this attempt was signed; empty if the request had no {@code webhook-…} headers. */
    public Optional<Instant> signedAt() {
        return Optional.ofNullable(signedAt);
    }

    /**
     * {@code dlv_…}, the same on every attempt and replay. This and what follows come from headers that
     * are not signed: use them to find things in logs and to drop repeats, not to decide what somebody
     * may do.
     */
    public Optional<String> deliveryId() {
        return Optional.ofNullable(deliveryId);
    }

    /** {@code wh_…}, the webhook that this was sent for. Not signed. */
    public Optional<String> webhookId() {
        return Optional.ofNullable(webhookId);
    }

    /** 1 for the first attempt. Not signed. */
    public OptionalInt attempt() {
        return attempt == null ? OptionalInt.empty() : OptionalInt.of(attempt);
    }

    /** Whether somebody pressed <i>Send test event</i>. Not signed. */
    public boolean isTest() {
        return test;
    }

    /** The raw body that was verified. */
    public byte[] body() {
        return body.clone();
    }

    @Override
    public String toString() {
        return "Event[" + type + " of " + organizationId + " at " + timestamp + "]";
    }
}
