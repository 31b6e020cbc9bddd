"""The storage port, the code that both databases share, and an adapter for each database.

- `port` says what every database must do: its methods are the verbs, such as `accept`, `claim` and
  `settle`. `values` has what verbs take and return. Parts of the port are `job_port`,
  `listener_port`, `rehearsal_port`, `alert_port` and `outbox`.
- `sqlite/` and `postgres/` are the adapters; `sqlite_storage` and `postgres_storage` open them.
  Each has its own statements for the delivery path: `…_accept`, `…_claim`, `…_settle`.
- `…_verbs` implement the verbs that both databases share, over one `database_session.Session`:
  `webhook_verbs`, `listener_verbs`, `log_verbs`, `job_verbs`, `rehearsal_verbs`, `access_verbs`,
  `alert_verbs`, `housekeeping_verbs`. `verb_base` says how they reach the database. `statements`
  reads their SQL from the folder `sql`.
- Deliveries: `delivery_rows` are the rows. `accepting` makes new ones, `claim_selection` chooses
  which to lease, `settling` and `transitions` apply settled attempts, `failure_streak` disables
  webhooks that keep failing.
- Webhooks: `webhook_queries`, `sealed_secrets` and `webhook_states`. `alert_queries` find webhooks
  that need an operational event.
- Sending again: `replays` of single deliveries; `jobs` run through what `job_selection` selects,
  `recovery` gives them their schedule anew, and `job_reports` count what became of them.
  `rehearsal_queries` keep the requests and answers of rehearsals.
- The log: `log_queries` reads it by the steps of `log_scan`; `search_text` prepares a search.
- `retention` removes old rows; `fair_semaphore` lets organizations take turns at reading;
  `copy_to_postgres` moves an SQLite database to PostgreSQL.
"""
