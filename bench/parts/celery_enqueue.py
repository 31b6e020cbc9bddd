"""What a team's request handlers would do: hand one delivery after another to Celery.

Usage: celery_enqueue.py URL DELIVERIES. Prints JSON: first, last (monotonic seconds), cpu.
"""

import json
import sys
import time

from celery_app import deliver

BODY = (
    '{"event":"contact.created","timestamp":"2025-01-15T14:23:00Z","organizationId":"org_000000",'
    '"data":{"id":"contact_xyz","name":"Jane Smith","email":"jane@example.com","company":{"id":'
    '"company_abc","name":"Example Ltd"},"tags":["lead","newsletter"],"score":87.5}}'
)


def main():
    url, count = sys.argv[1], int(sys.argv[2])
    deliver.app.connection_for_write().ensure_connection(max_retries=3)
    cpu, first = time.process_time(), time.monotonic()
    for _ in range(count):
        deliver.delay(url, "a secret of the webhook", "contact.created", BODY)
    last = time.monotonic()
    print(json.dumps({"first": first, "last": last, "cpu": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
