"""Forks Python programs from a process that has the product's modules loaded.

A program that starts the usual way spends a second of CPU on loading modules. The tests start
hundreds. This process loads the modules once, and makes the routes of the web applications and the
code of the templates, which are the same in every program. A child that it forks runs the program
as Python would: with its own arguments, environment, folder, and standard streams. `program`
starts it and talks to it.

One process of tests has one fork server, and a connection on its standard input. A request is one
packet: JSON with `words`, `env` and `cwd`, and four file descriptors: the child's stdin, stdout
and stderr, and a socket for the answers. They are the child's pid, with a pidfd, and when it has
ended, its return code as `subprocess` counts it. When the connection ends, so do the children and
this process.
"""

import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import types
from dataclasses import dataclass
from pathlib import Path

MAX_REQUEST = 1 << 20
"""Bytes."""
_ABSENT = ("rich", "pydantic")
"""Libraries that `serve` hides before it loads others, which would load these."""
_NOT_LOADED = ("winnerr_webhooks.__main__", "winnerr_webhooks.cli.worker_process")
"""Programs that run when they are loaded."""
_INTERRUPT = signal.getsignal(signal.SIGINT)
"""What a new process does on SIGINT: it ignores it if this one was started so, as by `nohup`."""


@dataclass
class Request:
    """A program to run: the words behind `python` on a command line, and its surroundings."""

    words: list[str]
    env: dict[str, str]
    cwd: str

    def take_on(self, streams: list[int]) -> None:
        """Turn this process into one that was started for the program."""
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(self.cwd)
        os.environ.clear()
        os.environ.update(self.env)
        sys.stdin = sys.__stdin__ = open(0, closefd=False)  # noqa: SIM115  like the next two
        sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = sys.__stderr__ = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115

    def run(self) -> None:
        """Run the program as Python does. Its SystemExit and its errors are left to Python."""
        option, *words = self.words
        if option == "-m":
            sys.argv, sys.path[0] = words, self.cwd
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        elif option == "-c":
            sys.argv, sys.path[0] = ["-c", *words[1:]], ""
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(words[0], "<string>", "exec"), main.__dict__)
        else:
            sys.argv, sys.path[0] = self.words, str(Path(option).parent)
            runpy.run_path(option, run_name="__main__")


def serve(control: socket.socket) -> Request | None:
    """Fork a child for each request. Return its request in a child, and None at the end."""
    wakeups, woken = socket.socketpair()
    for one in (wakeups, woken):
        one.setblocking(False)
    signal.set_wakeup_fd(woken.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    children: dict[int, socket.socket] = {}
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wakeups, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is wakeups:
                wakeups.recv(4096)
                _report_ended(children)
                continue
            raw, streams, _flags, _address = socket.recv_fds(control, MAX_REQUEST, 4)
            if not raw:
                for pid in children:
                    os.kill(pid, signal.SIGKILL)
                return None
            request = Request(**json.loads(raw))
            answers = socket.socket(fileno=streams.pop())
            if not (pid := os.fork()):
                for ours in (selector, control, wakeups, woken, answers, *children.values()):
                    ours.close()
                _reset_signals()
                request.take_on(streams)
                return request
            for stream in streams:
                os.close(stream)
            children[pid] = answers
            pidfd = os.pidfd_open(pid)
            socket.send_fds(answers, [b"%d" % pid], [pidfd])
            os.close(pidfd)


def _reset_signals() -> None:
    """Handle signals as a new process of Python does."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, _INTERRUPT)


def _report_ended(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with children.pop(pid) as answers:
            answers.send(b"%d" % os.waitstatus_to_exitcode(status))


def _load() -> None:
    """Load what programs of the tests use, as `serve` loads it."""
    for name in _ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in ("winnerr_webhooks.wiring", "winnerr_webhooks.web_wiring"):
        importlib.import_module(name)
    _make_applications()
    for name in _ABSENT:
        del sys.modules[name]
    import winnerr_webhooks

    for module in pkgutil.walk_packages(winnerr_webhooks.__path__, "winnerr_webhooks."):
        if module.name not in _NOT_LOADED:
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # collections in the children do not touch, and so copy, what is loaded


def _make_applications() -> None:
    """Make what takes most of the rest of a start and depends on no setting.

    What differs between two servers is in the state of their applications.
    """
    import compiled_templates  # in this script's folder
    from winnerr_webhooks import web_wiring
    from winnerr_webhooks.api.rest_api import create_rest_api
    from winnerr_webhooks.settings_page import page_app

    made = create_rest_api(None), page_app._litestar(None)  # type: ignore[arg-type]

    def rest_api_of(services: object) -> object:
        made[0].state.services = services
        return made[0]

    def page_app_of(page: object) -> object:
        made[1].state.page = page
        return made[1]

    web_wiring.create_rest_api = rest_api_of  # type: ignore[assignment]
    page_app._litestar = page_app_of  # type: ignore[assignment]
    compiled_templates.compile_once()
    compiled_templates.compile_all()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the tests, and they end this
    _load()
    if request := serve(socket.socket(fileno=0)):
        request.run()
