-- API keys, and the sign-in links and sessions of the settings page.

-- name: add_key
INSERT INTO api_key (id, name, organization, created_at, revoked_at, hash)
VALUES (:id, :name, :organization, :created_at, :revoked_at, :hash)

-- name: list_keys
SELECT id, name, organization, created_at, revoked_at FROM api_key ORDER BY created_at, id

-- name: revoke_key
UPDATE api_key SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL

-- name: key_named
SELECT name, organization FROM api_key WHERE id = :id

-- name: find_key
SELECT id, name, organization, created_at, revoked_at FROM api_key
WHERE hash = :hash AND revoked_at IS NULL

-- name: add_link
INSERT INTO sign_in_link (hash, organization, role, {user}, expires_at, page_options)
VALUES (:hash, :organization, :role, :user, :expires_at, :page_options)

-- name: find_link
SELECT organization, role, {user}, expires_at, page_options FROM sign_in_link
WHERE hash = :hash AND expires_at > :now

-- name: take_link
-- Of two at once, the second waits for the first's commit and finds the link gone.
DELETE FROM sign_in_link WHERE hash = :hash
RETURNING organization, role, {user}, expires_at, page_options

-- name: add_session
INSERT INTO session (hash, organization, role, {user}, expires_at, page_options)
VALUES (:hash, :organization, :role, :user, :expires_at, :page_options)

-- name: find_session
SELECT organization, role, {user}, expires_at, page_options FROM session
WHERE hash = :hash AND expires_at > :now

-- name: end_session
DELETE FROM session WHERE hash = :hash

-- name: drop_links
DELETE FROM sign_in_link WHERE hash IN (
    SELECT hash FROM sign_in_link WHERE expires_at <= :now LIMIT :slice)

-- name: drop_sessions
DELETE FROM session WHERE hash IN (
    SELECT hash FROM session WHERE expires_at <= :now LIMIT :slice)
