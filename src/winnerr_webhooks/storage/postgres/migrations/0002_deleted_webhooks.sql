-- A deleted webhook is removed once nothing needs it, and until then it is in nobody's way.

-- Of a deleted webhook: when to check again whether something needs it. NULL: a day after it was
-- deleted.
ALTER TABLE webhook ADD COLUMN kept_until bigint;

CREATE INDEX webhook_live ON webhook (organization, number) WHERE status <> 'deleted';
CREATE INDEX webhook_deleted ON webhook (organization, updated_at) WHERE status = 'deleted';
CREATE INDEX webhook_removal ON webhook (coalesce(kept_until, updated_at + 86400000))
    WHERE status = 'deleted';
