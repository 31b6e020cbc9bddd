-- How the newest secret of a webhook signs: NULL for HMAC, or `ed25519`.
ALTER TABLE webhook ADD COLUMN signing text;
