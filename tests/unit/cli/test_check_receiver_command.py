"""`check-receiver`: from arguments to a report card and an exit code, against a real receiver."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests import broken_receivers as receivers


@contextmanager
def running(make) -> Iterator[receivers.Receiver]:
    """Run a receiver in a thread, because the command has an event loop of its own."""
    ready, ended = threading.Event(), threading.Event()
    found: list[receivers.Receiver] = []

    async def serve() -> None:
        async with receivers.serving(make) as receiver:
            found.append(receiver)
            ready.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        ended.set()
        thread.join(10)


@pytest.fixture
def check(run, monkeypatch):
    monkeypatch.setenv("WINNERR_WEBHOOK_SECRET", receivers.SECRET)

    def command(*words):
        return run("check-receiver", *words, "--event", receivers.KNOWN)

    return command


def test_a_good_receiver_on_localhost_passes(check):
    with running(receivers.Receiver) as receiver:
        done = check(receiver.url.replace("127.0.0.1", "localhost"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ok   A good event (200 X · ")
    assert done.stdout.endswith("\n0 problems, 0 risks\n")


def test_a_receiver_that_accepts_forgeries_fails_with_what_to_do(check):
    with running(receivers.NoSignatureCheck) as receiver:
        done = check(receiver.url)
    assert done.returncode == 1
    assert "FAIL A wrong signature (200" in done.stdout
    assert "accepts forged requests" in done.stdout
    assert "What to do: Verify the signature" in done.stdout
    assert done.stdout.endswith("\n1 problem, 1 risk\n")
    assert receivers.SECRET not in done.stdout


def test_json_is_for_scripts(check):
    with running(receivers.NotIdempotent) as receiver:
        done = check(receiver.url, "--json")
    found = json.loads(done.stdout)
    assert found["passed"] is False
    problems = [line["name"] for line in found["lines"] if line["result"] == "problem"]
    assert problems == ["repeat"]


def test_events_are_those_of_the_catalogue_file(run, tmp_path):
    event = {"name": receivers.KNOWN, "description": "It was paid.", "example": {"id": "mine"}}
    catalogue = {"categories": [{"name": "Orders", "events": [event]}]}
    (tmp_path / "events.json").write_text(json.dumps(catalogue))
    words = ("--secret", receivers.SECRET)
    with running(receivers.Receiver) as receiver:
        done = run("check-receiver", receiver.url, *words, EVENT_CATALOG="events.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert receiver.requests[0][1].endswith(b'"data":{"id":"mine"}}')
    done = run("check-receiver", receiver.url, *words, "--event", "deal.created")
    assert done.returncode == 2
    assert "There is no event 'deal.created'" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ftp://localhost/",), "must begin with https://"),
        (("http://localhost:1/", "--secret", "short"), "8 to 256 characters"),
        (("http://localhost:1/", "--event", "contact.create"), "Did you mean"),
    ],
)
def test_wrong_usage_ends_with_2(run, words, says):
    done = run("check-receiver", *words, *(() if "--secret" in words else ("--secret", "12345678")))
    assert done.returncode == 2
    assert says in done.stderr


def test_other_private_networks_are_refused_unless_they_are_allowed(check):
    done = check("http://10.0.0.1:9/")
    assert done.returncode == 1
    assert "FAIL A good event" in done.stdout
