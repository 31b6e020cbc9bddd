"""Winnerr Webhooks: a CRM's events, pushed to any URL a customer names.

The road of one event, in the order it walks; every station is the module of that name:

1. `api.events`          reads, checks and authorizes a POST; answers 202 when 2 and 3 are done
2. `pipeline.intake`     gathers what arrives at once into one batch
3. `storage`             `accept`: the events and their deliveries, in one transaction, on disk
4. `pipeline.dispatch`   a lane for every webhook, a window for every lane, slots for all attempts
5. `pipeline.attempter`  builds and signs the request's bytes
6. `egress`              checks the address it connects to, sends, reads no more than it must
7. `domain.verdict`      delivered, retry at, failed; and what becomes of the webhook
8. `pipeline.record`     gathers attempts into one batch
9. `storage`             `settle`: attempts and where their deliveries stand, in one transaction

What does not go straight through waits in `storage`: due retries, replays, leases that 4 released,
and what a dead process left behind. `pipeline.claimer` leases it and brings it back to 4;
`pipeline.reclaim` runs that loop, and repairs and jobs beside it. Nothing else leads back. The
API's read routes and the `settings_page` read `storage` outside the road, in turns between
organizations (`storage.fair_semaphore`).

Around the road: `domain` holds the rules (no I/O, no clocks), `management` what people change
(webhooks, replays, keys), `budgets` and `quotas` the bounds of a node. `wiring` puts the parts
together, `cli` starts it, `processes` several of it behind one port. `storage` has two adapters,
`sqlite` and `postgres`; what is the same for both is in its other modules.
`docs/explanation/architecture.md` draws the road and says where to put what.
"""

__version__ = "0.1.0"
