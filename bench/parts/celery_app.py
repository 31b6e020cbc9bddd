"""The baseline: webhooks as a Python team builds them by hand, on Celery, Redis and requests.

What it has: signing, a connection kept alive per worker process, a timeout, three retries with
exponential backoff, and acknowledgement after the work, so that a killed worker loses nothing.
What it has not, and so need not pay for: a log of attempts, subscriptions, a check of addresses,
lanes, idempotency. Results are not stored, and Celery's defaults stand otherwise.
"""

import hashlib
import hmac
import os

import requests
from celery import Celery
from celery.signals import worker_process_init

app = Celery("baseline", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
session = requests.Session()


@worker_process_init.connect
def fresh_session(**_given):
    """A connection must not be shared by forked processes."""
    global session  # noqa: PLW0603  one a process
    session = requests.Session()


@app.task(
    bind=True,
    autoretry_for=(requests.RequestException,),
    retry_backoff=60,
    retry_jitter=True,
    max_retries=3,
)
def deliver(self, url, secret, event, body):
    """One delivery; a status other than 2xx is a failure like any other."""
    signature = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Baseline/1.0",
        "X-Event": event,
        "X-Delivery": self.request.id,
        "X-Attempt": str(self.request.retries + 1),
        "X-Signature": f"sha256={signature}",
    }
    response = session.post(url, data=body.encode(), headers=headers, timeout=10)
    response.raise_for_status()
