-- What a webhook can have of its own: a name, a time limit, and a schedule of retries.

ALTER TABLE webhook ADD COLUMN name text;
-- Seconds for one whole attempt. NULL: DELIVERY_TIMEOUT.
ALTER TABLE webhook ADD COLUMN timeout double precision;
-- `long`, `none`, or seconds with commas between them. NULL: RETRY_SCHEDULE.
ALTER TABLE webhook ADD COLUMN retry_schedule text;
