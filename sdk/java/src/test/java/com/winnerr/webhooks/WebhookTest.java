package com.winnerr.webhooks;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.sun.net.httpserver.HttpServer;
import com.winnerr.webhooks.VerificationException.Reason;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WebhookTest {
    private static final String SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    private static final byte[] BODY =
            ("{\"event\":\"deal.created\",\"timestamp\":\"2025-01-15T14:23:00Z\",\"organizationId\":\"org_1\","
                            + "\"data\":{\"amount\":1.10,\"huge\":1e400,\"count\":12345678901234567890}}")
                    .getBytes(UTF_8);
    private final Webhook webhook = Webhook.of(SECRET);

    private static Reason refused(Webhook webhook, byte[] body, Map<String, List<String>> headers) {
        return assertThrows(VerificationException.class, () -> webhook.verify(body, headers)).reason();
    }

    private static Map<String, List<String>> copy(Map<String, List<String>> headers) {
        Map<String, List<String>> copy = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        copy.putAll(headers);
        return copy;
    }

    @Test
    @DisplayName("A request that went through a real HTTP server is verified with what the handler is given.")
    void realServer() throws Exception {
        HttpServer server =
                HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            byte[] raw = exchange.getRequestBody().readAllBytes();
            String answer;
            try {
                answer = webhook.verify(raw, exchange.getRequestHeaders()).id().orElseThrow();
            } catch (VerificationException e) {
                answer = e.reason().toString();
            }
            exchange.sendResponseHeaders(200, 0);
            exchange.getResponseBody().write(answer.getBytes(UTF_8));
            exchange.close();
        });
        server.start();
        try {
            Map<String, List<String>> headers = webhook.sign(BODY, "evt_1", Instant.now());
            assertEquals("evt_1", post(server, BODY, headers));
            assertEquals("no_match", post(server, (new String(BODY, UTF_8) + "\n").getBytes(UTF_8), headers));
        } finally {
            server.stop(0);
        }
    }

    private static String post(HttpServer server, byte[] body, Map<String, List<String>> headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/"))
                .POST(HttpRequest.BodyPublishers.ofByteArray(body));
        headers.forEach((name, values) -> values.forEach(value -> request.header(name, value)));
        return HttpClient.newHttpClient()
                .send(request.build(), HttpResponse.BodyHandlers.ofString())
                .body();
    }

    @Test
    @DisplayName("Headers may be looked up by name, as in the Servlet API.")
    void lookup() throws Exception {
        Map<String, List<String>> headers = copy(webhook.sign(BODY));
        assertEquals("deal.created", webhook.verify(BODY, headers::get).type());
    }

    @Test
    @DisplayName("What the headers say is on the event, and what is not understood is left out.")
    void headersOnTheEvent() throws Exception {
        Map<String, List<String>> headers = copy(webhook.sign(BODY));
        headers.put("x-winnerr-test", List.of("true"));
        headers.put("x-winnerr-attempt", List.of(" 3\t"));
        Event event = webhook.verify(BODY, headers);
        assertTrue(event.isTest());
        assertEquals(OptionalInt.of(3), event.attempt());
        assertEquals("wh_test", event.webhookId().orElseThrow());
        assertTrue(event.deliveryId().orElseThrow().startsWith("dlv_"));
        headers.put("x-winnerr-attempt", List.of("many"));
        headers.remove("x-winnerr-delivery");
        headers.remove("x-winnerr-test");
        event = webhook.verify(BODY, headers);
        assertFalse(event.isTest());
        assertTrue(event.attempt().isEmpty());
        assertTrue(event.deliveryId().isEmpty());
    }

    static class Deal {
        BigDecimal amount;
        BigDecimal huge;
        BigDecimal count;
    }

    @Test
    @DisplayName("Numbers can be had exactly: dataJson is the text that the emitter wrote.")
    void exactNumbers() throws Exception {
        Event event = webhook.verify(BODY, webhook.sign(BODY));
        Deal deal = new Gson().fromJson(event.dataJson(), Deal.class);
        assertEquals(new BigDecimal("1.10"), deal.amount);
        assertEquals(new BigDecimal("1e400"), deal.huge);
        assertEquals(new BigDecimal("12345678901234567890"), deal.count);
    }

    @Test
    @DisplayName("During a rotation, a receiver that knows either secret verifies requests by either scheme.")
    void rotation() throws Exception {
        Map<String, List<String>> both = Webhook.of("the old secret", SECRET).sign(BODY);
        Map<String, List<String>> own = copy(both);
        own.keySet().removeIf(name -> name.startsWith("webhook-"));
        for (Map<String, List<String>> headers : List.of(both, own)) {
            Webhook.of("the old secret").verify(BODY, headers);
            Webhook.of(SECRET).verify(BODY, headers);
            Webhook.of(SECRET, "the old secret").verify(BODY, headers);
            assertEquals(Reason.NO_MATCH, refused(Webhook.of("another secret"), BODY, headers));
        }
    }

    @ParameterizedTest
    @DisplayName("A refusal for its time says by how much, and that a clock may be wrong.")
    @CsvSource({"-3600, TOO_OLD, 3600 s ago", "3600, TOO_NEW, 3600 s ahead", "900000000000, TOO_NEW, ahead"})
    void time(long offset, Reason reason, String words) {
        Instant now = Instant.ofEpochSecond(1736950985);
        Map<String, List<String>> headers = webhook.sign(BODY, "evt_1", now.plusSeconds(offset));
        VerificationException refused =
                assertThrows(VerificationException.class, () -> webhook.verify(BODY, headers, now));
        assertEquals(reason, refused.reason());
        assertTrue(refused.getMessage().contains(words) && refused.getMessage().contains("clock"));
    }

    @Test
    @DisplayName("A request that lacks one header and has another twice is refused for what is missing.")
    void missingComesFirst() {
        Map<String, List<String>> headers = copy(webhook.sign(BODY));
        headers.put("webhook-id", List.of("evt_1", "evt_1"));
        assertEquals(Reason.MALFORMED_HEADER, refused(webhook, BODY, headers));
        headers.remove("webhook-signature");
        assertEquals(Reason.MISSING_HEADER, refused(webhook, BODY, headers));
    }

    @ParameterizedTest
    @DisplayName("A signature format without one placeholder is an error that says what is right.")
    @ValueSource(strings = {"", "sha256=", "{hex}{base64}", "{HEX}"})
    void badFormat(String format) {
        Webhook.Builder builder = Webhook.builder(SECRET).signatureFormat(format);
        assertTrue(assertThrows(IllegalArgumentException.class, builder::build)
                .getMessage()
                .contains("{hex}"));
    }

    @Test
    @DisplayName("A negative tolerance, and a variable that is not set, are errors.")
    void badSettings() {
        assertThrows(
                IllegalArgumentException.class,
                () -> Webhook.builder(SECRET).tolerance(Duration.ofSeconds(-1)).build());
        assertThrows(InvalidSecretException.class, () -> Webhook.of(System.getenv("NOT_SET_ANYWHERE")));
    }

    private static final String GOOD =
            "{ \"event\" : \"e\\u00eb\\n\" , \"timestamp\" : \"2025-01-15T14:23:00Z\" ,"
                    + " \"organizationId\" : \"o\" , \"data\" : { \"a\" : [ 1 , -0.5e+7 , {} , [ ] , true , null ] } }";

    @Test
    @DisplayName("White space and escapes may be wherever JSON allows them.")
    void looselyWritten() throws Exception {
        byte[] body = GOOD.getBytes(UTF_8);
        Event event = webhook.verify(body, webhook.sign(body));
        assertEquals("eë\n", event.type());
        assertEquals("{ \"a\" : [ 1 , -0.5e+7 , {} , [ ] , true , null ] }", event.dataJson());
    }

    @ParameterizedTest
    @DisplayName("A signed body is an event only if it is strict JSON with the keys and kinds of a payload.")
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "\"event\" |\"Event\" ", "\"e\\u00eb\\n\"|null", "\"e\\u00eb\\n\"|7", "00Z|00+00:00", "00Z|00.5Z",
                "2025-01|2025-13", "} }|} } {", "} }|} },", "} }|}", "[ 1|[ 01", "[ 1|[ .5", "[ 1|[ +1", "[ 1|[ 1.",
                "[ 1|[ 1e", "[ 1|[ NaN", "[ 1|[ '1'", "true , null ]|true , null , ]", "true|True", "{}|{,}",
                "{}|{a:1}", "{}|{\"a\"}", "\\n|\\x", "\\u00eb|\\u00g0", "\\u00eb|\\u00٣0",
                "\"data\"|\"date\"", "{ \"a\"|[], \"a\"", "\"o\"|\"\u00ff",
            })
    void noEvent(String part, String change) {
        assertTrue(GOOD.contains(part), part);
        byte[] body = GOOD.replace(part, change).getBytes(change.contains("\u00ff") ? ISO_8859_1 : UTF_8);
        assertInvalidPayload(body);
    }

    @Test
    @DisplayName("A body that breaks off anywhere, or holds a bare control character, is an invalid payload.")
    void brokenOff() {
        for (int length = 0; length < BODY.length; length++) {
            assertInvalidPayload(Arrays.copyOf(BODY, length));
        }
        assertInvalidPayload(new String(BODY, UTF_8).replace("deal.", "deal\t").getBytes(UTF_8));
    }

    private void assertInvalidPayload(byte[] body) {
        assertThrows(InvalidPayloadException.class, () -> webhook.verify(body, webhook.sign(body)));
    }

    @Test
    @DisplayName("Nesting too deep for the stack is an invalid payload, not a crash.")
    void nesting() throws Exception {
        assertInvalidPayload(nested(100_000));
        byte[] allowed = nested(64);
        assertEquals("e", webhook.verify(allowed, webhook.sign(allowed)).type());
    }

    private static byte[] nested(int depth) {
        String data = "{\"a\":" + "[".repeat(depth) + "]".repeat(depth) + "}";
        return ("{\"event\":\"e\",\"timestamp\":\"2025-01-15T14:23:00Z\",\"organizationId\":\"o\",\"data\":"
                        + data + "}")
                .getBytes(UTF_8);
    }
}
