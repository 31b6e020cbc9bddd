"""Winnerr Webhooks sends a CRM's events to the URLs of its customers.

The road of one event. Each station is the module or package of that name:

1. `api.event_endpoint`  reads and checks the request, and answers 202 once step 3 has committed
2. `pipeline.intake`     gathers events that arrive together into one batch
3. `storage`             `accept`: stores the events and their deliveries in one transaction
4. `pipeline.dispatch`   queues each delivery in its webhook's lane, and starts its attempt
5. `pipeline.attempter`  builds and signs the request
6. `egress`              checks the address, sends the request, and reads the response
7. `domain.verdict`      decides: delivered, retry or failed, and whether the webhook is disabled
8. `pipeline.record`     gathers finished attempts into one batch
9. `storage`             `settle`: stores the attempts and the new states in one transaction

Deliveries that must wait, such as retries and replays, wait in `storage`. `pipeline.claimer`
leases them when they are due, and returns them to step 4. `pipeline.background_loops` runs the
claimer. It also recovers deliveries that a dead process left behind, runs jobs such as replays of
many deliveries, and looks for webhooks that were changed. `pipeline.listener_hub` leases the
deliveries of listeners, whose attempts a program on a developer's machine makes.

The other packages:

- `domain`          the rules: signing, retries, verdicts, URLs, errors; without I/O or clocks
- `storage`         `port` says what a database must do; `sqlite` and `postgres` do it
- `api`             the HTTP server and the REST API
- `settings_page`   the pages on which customers manage their webhooks and read the log
- `management`      changes of webhooks, secrets and API keys, for API, page and command line
- `alerts`          tells operators and organizations which webhooks fail, by events and by mail
- `event_catalog`   the product's own event types, read from a file
- `cli`             the console script
- `processes`       several worker processes behind one port

The other modules:

- `wiring`          creates and connects all of the above, and runs it
- `web_wiring`      does so for the REST API and the settings page, which are loaded after the start
- `storage_opener`  opens the database that the settings name
- `config`          the settings, with `setting_parsers` and `database_url`
- `budgets`         the limits of a node; `quotas` tracks how much of each is in use
- `metrics`         Prometheus metrics; `log_setup` configures logging
- `crypto`          encrypts secrets at rest; `file_permissions` explains unreadable files
- `clock`           the time; `ids` generates ids, tokens and random waits

`docs/explanation/architecture.md` draws the road and says where to put new code.
"""

__version__ = "0.1.0"
