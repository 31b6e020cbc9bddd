"""The rules of the product as pure functions and values.

Nothing here does I/O, reads a clock or draws random numbers: callers pass those in.

- `submission`        reads and checks the events that callers send
- `event`             an accepted event, and the payload that receivers get
- `event_errors`      finds what is wrong with a rejected event
- `catalog`           the event types of the CRM, with their examples
- `idempotency`       whether a repeated call sends the same event
- `webhook`           a webhook and its states
- `url`               checks a webhook's URL
- `signing`           signs a request
- `delivery`          the states of a delivery and their transitions
- `attempt`           one HTTP request of a delivery, and what came of it
- `verdict`           decides what follows from an attempt, by the schedule of `retry`
- `diagnosis`         explains a failure to customers, with `failure_texts` and `answer_texts`
- `duration_classes`  the classes into which the log counts durations
- `timestamp`         reads and normalizes timestamps
- `errors`            all errors of this package
- `signature_check/`  finds out why a signature does not match
- `receiver_check/`   judges how a receiver answers sample requests
"""
