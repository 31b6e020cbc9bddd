package com.winnerr.webhooks;

/**
 * The request was not signed with one of the secrets, or not lately. Do not act on it.
 *
 * <p>The message says what it means and what to do. It holds neither a secret nor a signature, so it
 * may be logged and sent back.
 */
public final class VerificationException extends Exception {
    private static final long serialVersionUID = 1L;

    /** Why a request was refused. The words are the same in every SDK. */
    public enum Reason {
        MISSING_HEADER("missing_header"),
        MALFORMED_HEADER("malformed_header"),
        NO_MATCH("no_match"),
        TOO_OLD("too_old"),
        TOO_NEW("too_new");

        private final String word;

        Reason(String word) {
            this.word = word;
        }

        /** Returns the word that all SDKs use, such as {@code no_match}. */
        @Override
        public String toString() {
            return word;
        }
    }

    private final Reason reason;

    VerificationException(Reason reason, String message) {
        super(message);
        this.reason = reason;
    }

    public Reason reason() {
        return reason;
    }

    static VerificationException malformed(String name, String form) {
        return new VerificationException(
                Reason.MALFORMED_HEADER,
                name + " is not " + form + ". Pass the headers as they came; if they are, something on "
                        + "the way changed this one, or the request is not from the product.");
    }

    static VerificationException noMatch(String name) {
        return new VerificationException(
                Reason.NO_MATCH,
                name + " does not match this body and secret. Most often the body is not the raw one: "
                        + "verify the bytes as they came, before anything parses, decodes or trims them. "
                        + "Otherwise compare the secret with the one on the settings page, and if it was "
                        + "rotated, give both.");
    }
}
