"""The supervisor: one port for all workers, restarts, and one line for success or failure."""

import os
import signal
import stat

import pytest


async def test_processes_share_one_port_and_it_says_so_once_when_all_are_ready(supervised) -> None:
    await (await supervised.start(3)).listening()
    pids = await supervised.pids(3)
    assert sorted(pids) == [1, 2, 3]
    assert len(set(pids.values())) == 3
    code, out, err = await supervised.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


async def test_the_first_worker_starts_alone_so_that_a_mistake_is_reported_once(supervised) -> None:
    await supervised.start(3, child_1={"fails": 2})
    code, out, err = await supervised.end(None)
    assert (code, out, err) == (2, "", "one clear line\n")
    assert (len(supervised.starts(1)), supervised.starts(2), supervised.starts(3)) == (1, [], [])


async def test_a_later_process_that_cannot_start_stops_all_with_its_line_and_code(
    supervised,
) -> None:
    await supervised.start(3, child_2={"fails": 7})
    code, out, err = await supervised.end(None)
    assert (code, out) == (7, "")
    assert [line for line in err.splitlines() if "is ready" not in line] == ["one clear line"]
    assert "1 SIGTERM" in supervised.ended()


async def test_a_killed_worker_is_restarted_and_the_others_go_on(supervised, is_alive) -> None:
    await (await supervised.start(2)).listening()
    before = await supervised.pids(2)
    os.kill(before[2], signal.SIGKILL)
    await supervised.until(lambda: len(supervised.starts(2)) == 2)

    async def again() -> bool:
        return (await supervised.ask())[1] == supervised.starts(2)[1]

    await supervised.until(again)
    assert is_alive(before[1])
    assert supervised.starts(1) == [before[1]]
    code, out, err = await supervised.end()
    assert (code, out) == (0, "")
    (line,) = [line for line in err.splitlines() if "is restarted" in line]
    assert '"process": 2' in line
    assert "killed by SIGKILL" in line


async def test_a_worker_that_ends_with_exit_code_0_is_restarted_too(supervised) -> None:
    """So a worker can be replaced with `kill` without an interruption."""
    await (await supervised.start(2)).listening()
    before = await supervised.pids(2)
    os.kill(before[1], signal.SIGTERM)
    await supervised.until(lambda: len(supervised.starts(1)) == 2)
    assert (await supervised.end())[0] == 0


async def test_a_worker_killed_while_it_starts_is_restarted(supervised) -> None:
    """The settings are not at fault, because the worker reported nothing."""
    await supervised.start(2, child_1={"dies_at_start": 2}, constants={"FIRST_WAIT": 0.001})
    await supervised.listening()
    assert len(supervised.starts(1)) == 3
    assert (await supervised.end())[0] == 0


async def test_a_worker_that_fails_after_a_restart_does_not_stop_the_others(
    supervised, is_alive
) -> None:
    """The first start worked, so the database may only be down for a moment."""
    await (await supervised.start(2, constants={"FIRST_WAIT": 0.001})).listening()
    before = await supervised.pids(2)
    good = (supervised.notes / "child.py").read_text()
    (supervised.notes / "child.py").write_text("import sys; sys.exit(2)")
    os.kill(before[2], signal.SIGKILL)
    seen = []
    while len(seen) < 3:
        line = (await supervised.process.stderr.readline()).decode()
        seen += ["ended: 2"] if "ended: 2" in line else []
    (supervised.notes / "child.py").write_text(good)
    await supervised.until(lambda: len(supervised.starts(2)) == 2)
    assert is_alive(before[1])
    assert (await supervised.end())[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_and_ctrl_c_end_all_in_order_with_exit_code_0(supervised, number) -> None:
    await (await supervised.start(3)).listening()
    code, _, err = await supervised.end(number)
    assert code == 0
    assert supervised.ended() == ["1 SIGTERM", "2 SIGTERM", "3 SIGTERM"]
    assert "is restarted" not in err
    assert not supervised.folder.exists()


async def test_a_signal_while_they_start_ends_them_too(supervised, is_alive) -> None:
    await supervised.start(2, child_1={"never_ready": True})
    await supervised.until((supervised.notes / "folder").exists)
    assert (await supervised.end())[0] == 0
    assert not any(map(is_alive, supervised.starts(1)))
    assert supervised.starts(2) == []


async def test_a_second_signal_ends_all_at_once(supervised, is_alive) -> None:
    await (await supervised.start(2, child_2={"stays": True})).listening()
    pids = await supervised.pids(2)
    supervised.process.send_signal(signal.SIGTERM)
    await supervised.until(lambda: supervised.ended() == ["1 SIGTERM", "2 SIGTERM"])
    assert is_alive(pids[2])
    assert (await supervised.end())[0] == 128 + signal.SIGTERM
    assert not is_alive(pids[2])


async def test_a_worker_that_does_not_end_is_killed_after_a_while(supervised, is_alive) -> None:
    await supervised.start(2, child_1={"stays": True}, constants={"KILL_AFTER": -19.9})
    await supervised.listening()
    code, _, err = await supervised.end()
    assert code == 1
    assert "did not end and are killed" in err
    assert not any(map(is_alive, supervised.starts(1)))


async def test_processes_end_when_their_supervisor_is_killed(supervised, is_alive) -> None:
    await (await supervised.start(2)).listening()
    pids = await supervised.pids(2)
    supervised.process.kill()
    await supervised.until(lambda: not any(map(is_alive, pids.values())))
    assert supervised.ended() == ["1 SIGTERM", "2 SIGTERM"]


async def test_the_folder_of_their_sockets_is_for_this_user_only(supervised) -> None:
    await (await supervised.start(2)).listening()
    assert stat.S_IMODE(supervised.folder.stat().st_mode) == 0o700


async def test_a_port_in_use_stops_it_before_any_process_starts(supervised, tmp_path) -> None:
    await (await supervised.start(2)).listening()
    other = type(supervised)(tmp_path / "other")
    other.notes.mkdir()
    await other.start(2, port=supervised.port)
    code, _, err = await other.end(None)
    assert code == 1
    assert f"WINNERR_WEBHOOKS_PORT: cannot listen on 127.0.0.1:{supervised.port}" in err
    assert other.starts(1) == []


async def test_a_folder_too_deep_for_a_socket_is_named(supervised, tmp_path, monkeypatch) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(deep))
    await supervised.start(2)
    code, _, err = await supervised.end(None)
    assert code == 1
    assert "refused: TMPDIR" in err
