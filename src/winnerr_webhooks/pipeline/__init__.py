"""The pipeline: how a node accepts events, delivers them and records the attempts.

Accepting events:

- `intake`              stores events of many callers in batches
- `admission`           limits how many events may wait to be stored
- `event_costs`         estimates what an event costs a transaction
- `fair_queue`          lets organizations take turns for a place in the next batch
- `group_commit`        commits the items that arrive together in one transaction
- `batcher`             gathers items while a batch is processed
- `batch_answers`       collects the answers to all events of one call
- `outbox_mover`        moves events that the product emitted in its own transactions to the intake
- `ordered_commit`      stores these in the order in which they were emitted
- `repeated_events`     compares an event whose id was seen before with the first one
- `foreground`          knows whether calls come in now, so that other work gives way to them

Delivering them:

- `dispatch`            queues leased deliveries in lanes, and starts their attempts
- `lane`                one webhook's queue in memory, and how many attempts it may have in flight
- `lanes`               the lanes of a node by webhook
- `lane_queues`         what is queued in all lanes, and the memory that it takes
- `turn_queue`          deliveries of webhooks with a rate limit, each until its turn
- `order_queue`         deliveries of an order, each until the one before it has succeeded
- `attempt_slots`       limits the attempts of a node, and lets organizations take turns
- `target_reader`       reads the webhooks' configuration
- `request_template`    the part of a webhook's requests that is the same for each delivery
- `access_tokens`       gets and keeps the tokens of webhooks with OAuth 2.0
- `attempter`           makes one attempt: builds the request, sends it, and judges the response
- `lease_releaser`      frees deliveries that this node will not attempt

Finding due work in the database:

- `background_loops`    runs the claimer, repairs, jobs, and the search for changed webhooks
- `news_poller`         finds work that other nodes left in a shared database
- `claimer`             leases due deliveries to this node
- `backlog`             knows which lanes have work in the database, and room for it
- `due_lanes`           keeps these lanes in the order of their turns
- `allocation`          divides a claim among them

Recording attempts:

- `record`              gathers finished attempts, and delays new ones while these cannot be stored
- `settler`             stores a batch of attempts, and tries again until that succeeds

Sending beside the lanes:

- `listener_hub`        offers deliveries to the programs that are connected to this node
- `listener_stream`     one such program, what it was offered, and its answers
- `rehearser`           sends the requests of rehearsals, and stores the answers

The whole node:

- `node`                creates all of this for a role, and starts and stops it in order
- `node_signals`        what these parts tell each other
- `loop_task`           a loop that runs from start to close
- `pruner`              deletes what is older than the log keeps
- `shutdown`            stops parts within a time limit
"""
