package com.winnerr.webhooks;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a JSON object (RFC 8259) into its members, whose values stay JSON text.
 *
 * <p>It checks the whole text, nested values too. Of a name that is there twice, the last counts.
 */
final class JsonObject {
    private static final int DEEPEST = 500;
    private static final Pattern WORD_OR_NUMBER =
            Pattern.compile("true|false|null|-?(?:0|[1-9][0-9]*+)(?:\\.[0-9]++)?(?:[eE][+-]?[0-9]++)?");

    private final String text;
    private int at;

    private JsonObject(String text) {
        this.text = text;
    }

    /** Returns the members; {@code IllegalArgumentException} if the text is no JSON object. */
    static Map<String, String> read(String text) {
        JsonObject reader = new JsonObject(text);
        Map<String, String> members = new LinkedHashMap<>();
        reader.space();
        if (reader.peek() != '{') {
            throw reader.unexpected();
        }
        reader.object(members, 1);
        reader.space();
        if (reader.at < text.length()) {
            throw reader.unexpected();
        }
        return members;
    }

    /** Returns the text that a JSON string stands for; {@code json} comes from {@link #read}. */
    static String readString(String json) {
        return new JsonObject(json).string();
    }

    private void object(Map<String, String> members, int depth) {
        at++;
        space();
        if (skip('}')) {
            return;
        }
        do {
            space();
            if (peek() != '"') {
                throw unexpected();
            }
            String name = string();
            space();
            expect(':');
            space();
            int start = at;
            value(depth + 1);
            if (members != null) {
                members.put(name, text.substring(start, at));
            }
            space();
        } while (skip(','));
        expect('}');
    }

    private void array(int depth) {
        at++;
        space();
        if (skip(']')) {
            return;
        }
        do {
            space();
            value(depth + 1);
            space();
        } while (skip(','));
        expect(']');
    }

    private void value(int depth) {
        if (depth > DEEPEST) {
            throw new IllegalArgumentException("it is nested too deeply");
        }
        switch (peek()) {
            case '{':
                object(null, depth);
                break;
            case '[':
                array(depth);
                break;
            case '"':
                string();
                break;
            default:
                Matcher found = WORD_OR_NUMBER.matcher(text).region(at, text.length());
                if (!found.lookingAt()) {
                    throw unexpected();
                }
                at = found.end();
        }
    }

    private String string() {
        StringBuilder read = new StringBuilder();
        at++;
        while (peek() != '"') {
            char next = peek();
            if (next < ' ') { // a control character, or the end of the text
                throw unexpected();
            }
            at++;
            read.append(next == '\\' ? escape() : next);
        }
        at++;
        return read.toString();
    }

    private char escape() {
        char letter = peek();
        at++;
        switch (letter) {
            case '"':
            case '\\':
            case '/':
                return letter;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                return hexadecimal();
            default:
                at--;
                throw unexpected();
        }
    }

    private char hexadecimal() {
        int code = 0;
        for (int i = 0; i < 4; i++) {
            char digit = peek();
            int value = digit < 0x80 ? Character.digit(digit, 16) : -1;
            if (value < 0) {
                throw unexpected();
            }
            code = code * 16 + value;
            at++;
        }
        return (char) code;
    }

    private void space() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private boolean skip(char wanted) {
        boolean found = peek() == wanted;
        at += found ? 1 : 0;
        return found;
    }

    private void expect(char wanted) {
        if (!skip(wanted)) {
            throw unexpected();
        }
    }

    /** Returns the next character, or NUL, which JSON text cannot hold, at the end. */
    private char peek() {
        return at < text.length() ? text.charAt(at) : '\0';
    }

    private IllegalArgumentException unexpected() {
        return new IllegalArgumentException(
                at < text.length() ? "unexpected character at " + at : "it ends too early");
    }
}
