-- Who may come in: API keys, and for the settings page links and the sessions they start.

-- name: add_key
INSERT INTO api_key (id, name, organization, created_at, revoked_at, hash)
VALUES ($1, $2, $3, $4, $5, $6)

-- name: list_keys
SELECT id, name, organization, created_at, revoked_at FROM api_key ORDER BY created_at, id

-- name: revoke_key
UPDATE api_key SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL

-- name: find_key
SELECT id, name, organization, created_at, revoked_at FROM api_key
WHERE hash = $1 AND revoked_at IS NULL

-- name: add_link
INSERT INTO sign_in_link (hash, organization, role, user_name, expires_at)
VALUES ($1, $2, $3, $4, $5)

-- name: find_link
SELECT organization, role, user_name, expires_at FROM sign_in_link
WHERE hash = $1 AND expires_at > $2

-- name: consume_link
-- Of two at once, the second waits for the first's commit and finds the link gone.
-- $1 the link; $2, $3 the session and its end; $4 now
WITH taken AS (
    DELETE FROM sign_in_link WHERE hash = $1
    RETURNING organization, role, user_name, expires_at
)
INSERT INTO session (hash, organization, role, user_name, expires_at)
SELECT $2, organization, role, user_name, $3 FROM taken WHERE expires_at > $4
RETURNING organization, role, user_name, expires_at

-- name: find_session
SELECT organization, role, user_name, expires_at FROM session WHERE hash = $1 AND expires_at > $2

-- name: end_session
DELETE FROM session WHERE hash = $1
