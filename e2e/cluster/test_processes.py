"""Pid files must never lead to a process of somebody else."""

import os
import pathlib
import signal
import subprocess
import sys

from kit import processes


def sleeper() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])


def test_stat_line_of_a_command_with_blanks_and_brackets():
    fields = ["S", *map(str, range(4, 22)), "777", "1"]
    assert processes.parse_stat(f"12 (a ) S (b) {' '.join(fields)}") == ("S", 777)


def test_pid_file_finds_its_process_until_it_ends(tmp_path: pathlib.Path):
    child = sleeper()
    try:
        path = tmp_path / "child.pid"
        identity = processes.write_pid_file(path, child.pid)
        assert processes.read_pid_file(path) == identity
        assert processes.alive(identity)
    finally:
        child.kill()
    # Not yet waited for: a zombie counts as dead, since nothing of it can run.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.alive(identity)
    child.wait()
    assert not processes.send(identity, signal.SIGKILL)


def test_a_pid_used_again_by_another_process_is_left_alone(tmp_path: pathlib.Path):
    child = sleeper()
    try:
        found = processes.identify(child.pid)
        former = processes.Identity(found.pid, found.start - 1)
        assert not processes.alive(former)
        assert not processes.send(former, signal.SIGKILL)
        processes.stop(former)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_pid_file_that_a_crash_cut_short_names_nothing(tmp_path: pathlib.Path):
    for text in ("", "12", "x y", "1 2 3"):
        path = tmp_path / "cut.pid"
        path.write_text(text, encoding="utf-8")
        assert processes.read_pid_file(path) is None
    assert processes.read_pid_file(tmp_path / "missing.pid") is None


def test_stop_takes_a_process_that_ignores_the_first_signal():
    script = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    child.stdout.readline()
    processes.stop(processes.identify(child.pid), signal.SIGTERM, seconds=0.2)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
