-- Webhooks whose deliveries are sent in the order in which their events were accepted.

-- What divides its deliveries into orders: a path in the payload, or '' for one order. NULL: none.
ALTER TABLE webhook ADD COLUMN order_by TEXT;

-- Of a delivery in an order: those of a webhook with one key are sent one after the other, by their
-- number and then their id. NULL: it is in no order.
ALTER TABLE pending ADD COLUMN order_key TEXT;
ALTER TABLE pending ADD COLUMN order_number INTEGER;

CREATE INDEX pending_order ON pending (webhook_id, order_key, order_number, delivery_id)
    WHERE order_key IS NOT NULL AND NOT finished;
CREATE INDEX pending_order_leased ON pending (webhook_id, order_key)
    WHERE order_key IS NOT NULL AND NOT finished AND lease_until IS NOT NULL;
