"""Logging: the form of the lines, and that no secret is in them."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from winnerr_webhooks.log_setup import hide_secrets


def test_fields_named_like_secrets_are_hidden():
    event = {
        "event": "saved",
        "secret": "whsec_1",
        "new_Secret": "whsec_2",
        "Authorization": "Bearer wwk_1",
        "api_key": "wwk_2",
        "webhook_id": "wh_1",
        "status": 200,
    }
    assert hide_secrets(None, "info", event) == {
        "event": "saved",
        "secret": "(hidden)",
        "new_Secret": "(hidden)",
        "Authorization": "(hidden)",
        "api_key": "(hidden)",
        "webhook_id": "wh_1",
        "status": 200,
    }


@pytest.mark.parametrize("level", ["info", "debug"])
def test_logs_go_to_stderr_as_json_if_it_is_not_a_terminal(level):
    program = f"""
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.log_setup import set_up_logs
set_up_logs("{level}")
log = structlog.get_logger()
log.debug("looked")
try:
    raise ValueError("a bad day")
except ValueError:
    log.exception("attempt", secret="whsec_1", status=500)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout == ""
    *before, last = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"] for line in before] == (["looked"] if level == "debug" else [])
    assert (last["event"], last["level"], last["status"]) == ("attempt", "error", 500)
    assert last["secret"] == "(hidden)"
    assert last["timestamp"].endswith("Z")
    assert "a bad day" in last["exception"]


def test_messages_of_python_and_libraries_have_the_same_form():
    program = """
import asyncio, logging, warnings
from winnerr_webhooks import __version__
from winnerr_webhooks.log_setup import set_up_logs
set_up_logs("info", "json")
logging.getLogger("asyncio").error("Task exception was never retrieved")
logging.getLogger("asyncio").info("of no interest")
warnings.warn("soon gone")
"""
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [(line["level"], line["logger"]) for line in lines] == [
        ("error", "asyncio"),
        ("warning", "py.warnings"),
    ]
    assert lines[0]["event"] == "Task exception was never retrieved"
    assert "soon gone" in lines[1]["event"]


def test_a_line_is_written_at_once_so_that_those_of_several_processes_do_not_mix():
    """Even with PYTHONUNBUFFERED, as in many images. Each write to this socket is one packet."""
    program = """
import structlog
from winnerr_webhooks.log_setup import set_up_logs
set_up_logs("info", "json")
for number in range(3):
    structlog.get_logger().info("worker process is ready", number=number)
"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        subprocess.run(
            [sys.executable, "-c", program], stderr=theirs, env=environment, check=True, timeout=60
        )
        theirs.close()
        packets = list(iter(lambda: ours.recv(4096), b""))
    assert [json.loads(packet)["number"] for packet in packets] == [0, 1, 2]
    assert all(packet.endswith(b"\n") for packet in packets)


def test_readable_lines_can_be_chosen():
    program = """
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.log_setup import set_up_logs
set_up_logs("warning", "console")
structlog.get_logger().info("too quiet")
structlog.get_logger().warning("a budget is spent", budget="attempts")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = run.stderr.splitlines()
    assert "a budget is spent" in line
    assert not line.startswith("{")


def test_a_line_that_cannot_be_written_is_dropped_and_the_program_goes_on():
    program = """
import contextlib
import sys
import structlog
from winnerr_webhooks import __version__
from winnerr_webhooks.log_setup import set_up_logs
set_up_logs()
log = structlog.get_logger()
log.error("for a full disk")
with contextlib.suppress(OSError):  # what is still in its buffer cannot be written either
    sys.stderr.close()
log.error("for nobody")
print("alive")
"""
    command = [sys.executable, "-c", program]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, check=True, timeout=60)
    assert run.stdout == b"alive\n"
