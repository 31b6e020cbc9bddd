"""Several worker processes that share one port under a supervisor (the setting PROCESSES).

- `supervisor`: starts the workers, and restarts those that end
- `worker_context`: what a worker gets from its supervisor
- `listening_socket`: the socket that all workers accept connections from
- `peer_metrics`: any worker can show the metrics of all
"""
