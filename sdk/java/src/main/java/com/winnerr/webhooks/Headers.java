package com.winnerr.webhooks;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/** Looks headers up, and takes the space around their values away. */
final class Headers {
    private final Function<String, ? extends List<String>> lookup;

    /** {@code lookup} returns every value of a header, and an empty list or null if there is none. */
    Headers(Function<String, ? extends List<String>> lookup) {
        this.lookup = lookup;
    }

    List<String> all(String name) {
        List<String> values = lookup.apply(name);
        return values == null
                ? List.of()
                : values.stream().map(Headers::trim).collect(Collectors.toList());
    }

    Optional<String> first(String name) {
        return all(name).stream().findFirst();
    }

    boolean has(String name) {
        return !all(name).isEmpty();
    }

    private static String trim(String value) {
        int start = 0;
        int end = value.length();
        while (start < end && isSpace(value.charAt(start))) {
            start++;
        }
        while (end > start && isSpace(value.charAt(end - 1))) {
            end--;
        }
        return value.substring(start, end);
    }

    private static boolean isSpace(char one) {
        return one == ' ' || one == '\t';
    }
}
