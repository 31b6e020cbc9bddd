package com.winnerr.webhooks;

/**
 * The signature is right, but the body is not an event. Most often another product signs its
 * requests with the same secret.
 */
public final class InvalidPayloadException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    InvalidPayloadException(String message) {
        super("The signature is right, but " + message);
    }
}
