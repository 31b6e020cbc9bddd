-- A listener: a webhook whose attempts are made by a program that is connected (`listen`).

-- Whose listener it is, unique within the organization. NULL: an ordinary webhook.
ALTER TABLE webhook ADD COLUMN listener TEXT;
-- When the program was last connected.
ALTER TABLE webhook ADD COLUMN listener_seen_at INTEGER;

CREATE UNIQUE INDEX webhook_listener ON webhook (organization, listener)
    WHERE listener IS NOT NULL AND status <> 'deleted';
CREATE INDEX webhook_listener_seen ON webhook (listener_seen_at)
    WHERE listener IS NOT NULL AND status = 'active';
