-- Which events a webhook gets, by their payload: JSON (domain/event_filter.py). NULL: all.

ALTER TABLE webhook ADD COLUMN filter text;
