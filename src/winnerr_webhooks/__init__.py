"""Winnerr Webhooks: a CRM's events, pushed to any URL a customer names.

The road of one event, in the order it walks; every station is the module of that name:

1. `api.events`          reads, checks and authorizes a POST; answers 202 when 2 and 3 are done
2. `pipeline.intake`     gathers what arrives at once into one batch
3. `storage`             `accept`: the events and their deliveries, in one transaction, on disk
4. `pipeline.dispatch`   a lane for every webhook, a window for every lane
5. `pipeline.attempt`    builds and signs the request's bytes
6. `egress`              checks the address it connects to, sends, reads no more than it must
7. `domain.verdict`      delivered, retry at, failed; and what becomes of the webhook
8. `pipeline.record`     gathers attempts into one batch
9. `storage`             `settle`: attempts and where their deliveries stand, in one transaction

What does not go straight through waits in `storage`, and comes back to 4 by way of
`pipeline.reclaim`: due retries, replays, and what a dead process left behind. Nothing else
leads back. The API's read routes and the `settings_page` look at `storage` from the side.

Around the road: `domain` holds the rules (no I/O, no clocks), `management` what people change
(webhooks, replays, keys), `wiring` puts the parts together, `cli` starts it, `processes` several
of it behind one port. `storage` has two adapters, `sqlite` and `postgres`, and between them what is
the same in both: `rows`, `moves`, `runs`, `take`.
"""

__version__ = "0.1.0"
