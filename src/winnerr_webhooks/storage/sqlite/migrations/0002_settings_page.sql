-- Who may open the settings page: one-time links, and the sessions they start. Of both only the
-- SHA-256 of the token is kept.

CREATE TABLE sign_in_link (
    hash         BLOB PRIMARY KEY,
    organization TEXT NOT NULL,
    role         TEXT NOT NULL,        -- admin, viewer
    user         TEXT,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sign_in_link_expires_at ON sign_in_link (expires_at);

CREATE TABLE session (
    hash         BLOB PRIMARY KEY,
    organization TEXT NOT NULL,
    role         TEXT NOT NULL,
    user         TEXT,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_expires_at ON session (expires_at);
