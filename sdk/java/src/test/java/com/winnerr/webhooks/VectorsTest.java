package com.winnerr.webhooks;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.Gson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Every vector that all SDKs share. */
class VectorsTest {
    static class VectorFile {
        int version;
        List<Vector> vectors;
    }

    static class Vector {
        String name;
        String body;
        List<List<String>> headers;
        List<String> secrets;
        double tolerance;
        long now;
        Options options;
        Expect expect;
    }

    static class Options {
        boolean requireTimestamp;
        String headerPrefix;
        String signatureHeader;
        String signatureFormat;
    }

    static class Expect {
        boolean ok;
        String id;
        Long signedAt;
        String event;
        String timestamp;
        String organizationId;
        String data;
        String reason;
        String error;
    }

    @TestFactory
    Stream<DynamicTest> vectors() throws Exception {
        Path path = Path.of("..", "vectors.json");
        assumeTrue(Files.exists(path), "vectors.json is in the repository only");
        VectorFile file = new Gson().fromJson(Files.readString(path), VectorFile.class);
        assertEquals(1, file.version);
        assertTrue(file.vectors.size() >= 150);
        return file.vectors.stream()
                .map(vector -> DynamicTest.dynamicTest(vector.name, () -> {
                    check(vector);
                    System.out.println("vector " + vector.name + " passed"); // read by run_tests.py
                }));
    }

    private static Event verify(Vector vector) throws VerificationException {
        Webhook.Builder builder = Webhook.builder(vector.secrets.toArray(new String[0]))
                .tolerance(Duration.ofMillis((long) (vector.tolerance * 1000)));
        if (vector.options.requireTimestamp) {
            builder.requireTimestamp();
        }
        if (vector.options.headerPrefix != null) {
            builder.headerPrefix(vector.options.headerPrefix);
        }
        if (vector.options.signatureHeader != null) {
            builder.signatureHeader(vector.options.signatureHeader);
        }
        if (vector.options.signatureFormat != null) {
            builder.signatureFormat(vector.options.signatureFormat);
        }
        Map<String, List<String>> headers = vector.headers.stream()
                .collect(Collectors.groupingBy(
                        pair -> pair.get(0),
                        LinkedHashMap::new,
                        Collectors.mapping(pair -> pair.get(1), Collectors.toCollection(ArrayList::new))))
                .entrySet()
                .stream()
                .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
        byte[] body = Base64.getDecoder().decode(vector.body);
        return builder.build().verify(body, headers, Instant.ofEpochSecond(vector.now));
    }

    private static void check(Vector vector) throws Exception {
        Expect expect = vector.expect;
        if (expect.reason != null) {
            VerificationException refused =
                    assertThrows(VerificationException.class, () -> verify(vector));
            assertEquals(expect.reason, refused.reason().toString());
            assertHoldsNoSecret(vector, refused);
        } else if (expect.error != null) {
            assertHoldsNoSecret(vector, assertThrows(errorClass(expect.error), () -> verify(vector)));
        } else {
            assertTrue(expect.ok);
            Event event = verify(vector);
            assertEquals(expect.id, event.id().orElse(null));
            assertEquals(expect.signedAt, event.signedAt().map(Instant::getEpochSecond).orElse(null));
            assertEquals(expect.event, event.type());
            assertEquals(expect.timestamp, event.timestamp().toString());
            assertEquals(expect.organizationId, event.organizationId());
            assertEquals(expect.data, event.dataJson());
            assertArrayEquals(Base64.getDecoder().decode(vector.body), event.body());
        }
    }

    private static Class<? extends RuntimeException> errorClass(String error) {
        return Map.of(
                        "invalid_secret", InvalidSecretException.class,
                        "invalid_payload", InvalidPayloadException.class)
                .get(error);
    }

    private static void assertHoldsNoSecret(Vector vector, Exception error) {
        for (String secret : vector.secrets) {
            assertFalse(!secret.isEmpty() && error.getMessage().contains(secret));
        }
    }
}
