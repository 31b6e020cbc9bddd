-- The headers that a webhook adds to its requests, and its authentication.

-- Both together, as sealed JSON.
ALTER TABLE webhook ADD COLUMN credentials BLOB;
-- What people see of them: a JSON array of names, and `basic` or `bearer`.
ALTER TABLE webhook ADD COLUMN header_names TEXT;
ALTER TABLE webhook ADD COLUMN auth_type TEXT;
