package com.winnerr.webhooks;

/** No webhook can have this secret. The message says what to do, and does not hold the secret. */
public final class InvalidSecretException extends IllegalArgumentException {
    private static final long serialVersionUID = 1L;

    InvalidSecretException(String message) {
        super(message);
    }
}
