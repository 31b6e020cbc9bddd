"""`Emitter` and `AsyncEmitter`: connections kept, shared, replaced and verified."""

import asyncio
import os
import ssl
import subprocess
import threading

import pytest

from harness import JANE, ScriptedApi, accepted
from winnerr_webhooks_sdk import AsyncEmitter, EmitError, Emitter


def test_a_connection_is_used_again(emitter, api):
    for _ in range(5):
        emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1


def test_a_kept_connection_that_the_server_closed_is_replaced_at_once(make_emitter, api):
    emitter = make_emitter(api.url, "key", retry_for=0)
    closed = threading.Event()

    def answer_and_close(handler):
        handler.close_connection = True
        closed.set()
        return accepted(api.requests[-1])

    api.answers = [answer_and_close]
    emitter.emit("contact.created", "org_1", JANE)
    assert closed.is_set()
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 2


def test_a_chunked_answer_is_read(emitter, api):
    body = b'{"id":"evt_2","duplicate":false,"deliveries":3}'
    chunks = (
        b"5;x=y\r\n"
        + body[:5]
        + b"\r\n%x\r\n" % len(body[5:])
        + body[5:]
        + b"\r\n0\r\nA: b\r\n\r\n"
    )
    api.answers = [(202, {"Transfer-Encoding": "chunked"}, chunks)]
    assert emitter.emit("contact.created", "org_1", JANE).deliveries == 3
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1


def test_threads_share_an_emitter(api):
    failures = []

    def work():
        try:
            for _ in range(20):
                emitter.emit("contact.created", "org_1", JANE)
        except Exception as error:
            failures.append(error)

    with Emitter(api.url, "key") as emitter:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(api.requests) == len(set(api.ids())) == 160
    assert len(api.connections) <= 8


def test_a_fork_does_not_use_its_parents_connections(api):
    with Emitter(api.url, "key") as emitter:
        emitter.emit("contact.created", "org_1", JANE)
        child = os.fork()
        if child == 0:
            try:
                emitter.emit("contact.created", "org_1", JANE)
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 2


def test_tasks_share_an_async_emitter_and_its_connections(api):
    async def main():
        async with AsyncEmitter(api.url, "key", connections=4) as emitter:
            calls = [emitter.emit("contact.created", "org_1", JANE) for _ in range(100)]
            return await asyncio.gather(*calls)

    assert len(asyncio.run(main())) == 100
    assert len(api.connections) <= 4


def test_a_cancelled_call_leaves_the_emitter_usable(api):
    begun = threading.Event()
    ended = threading.Event()

    def hang(handler):
        begun.set()
        ended.wait(60)

    async def main():
        async with AsyncEmitter(api.url, "key", connections=1) as emitter:
            api.answers = [hang]
            task = asyncio.ensure_future(emitter.emit("contact.created", "org_1", JANE))
            await asyncio.get_running_loop().run_in_executor(None, begun.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await emitter.emit("contact.created", "org_1", JANE)

    assert asyncio.run(main()).id == "evt_1"
    ended.set()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out cert"
    subprocess.run(command.split(), cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return folder / "cert", folder / "key"


def test_certificates_are_verified(make_emitter, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    api = ScriptedApi(context)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    emitter = make_emitter(api.url, "key", context=trusted)
    emitter.emit("contact.created", "org_1", JANE)
    emitter.emit("contact.created", "org_1", JANE)
    assert len(api.connections) == 1
    with pytest.raises(EmitError, match="cannot be trusted"):
        make_emitter(api.url, "key").emit("contact.created", "org_1", JANE)
    api.shutdown()
    api.server_close()
