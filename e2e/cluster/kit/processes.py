"""Processes that are found again by a pid file, and never by their name.

A pid alone may belong to a stranger after the first owner has died, so a pid
file holds the start time of the process, too, and a process counts as ours only
if both agree. Signals go through a pidfd for the same reason.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import signal
from dataclasses import dataclass

from . import basics

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Identity:
    """One process of this boot: the pid and its start time in clock ticks since boot."""

    pid: int
    start: int

    def __str__(self) -> str:
        return f"{self.pid} {self.start}"


def parse_stat(stat: str) -> tuple[str, int]:
    """State letter and start time of a /proc/PID/stat line, whose command may hold any character."""
    fields = stat[stat.rindex(")") + 2:].split()
    return fields[0], int(fields[19])


def identify(pid: int) -> Identity | None:
    """The identity of a live process; a zombie has nothing left to stop and counts as dead."""
    try:
        state, start = parse_stat(pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else Identity(pid, start)


def alive(identity: Identity | None) -> bool:
    return identity is not None and identify(identity.pid) == identity


def write_pid_file(path: pathlib.Path, pid: int) -> Identity:
    identity = identify(pid)
    if identity is None:
        raise basics.HarnessError(f"process {pid} for {path} must be running and has ended")
    temporary = path.with_suffix(".new")
    temporary.write_text(f"{identity}\n", encoding="utf-8")
    temporary.rename(path)
    return identity


def read_pid_file(path: pathlib.Path) -> Identity | None:
    """What the file says, or None where it is missing or was cut short by a crash."""
    try:
        pid, start = path.read_text(encoding="utf-8").split()
        return Identity(int(pid), int(start))
    except (FileNotFoundError, ValueError):
        return None


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signals the process if it still is that process; says whether it was."""
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # Checked after the open: from here on the descriptor cannot mean another process.
        if not alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def stop(identity: Identity, number: signal.Signals = signal.SIGKILL, seconds: float = 10) -> None:
    """Ends the process and waits until it is gone; SIGKILL follows a signal that was not obeyed."""
    if not send(identity, number):
        return
    if number != signal.SIGKILL:
        with contextlib.suppress(basics.HarnessError):
            basics.wait_until(lambda: not alive(identity), seconds, f"end of process {identity.pid}", interval=0.01)
        if not send(identity, signal.SIGKILL):
            return
    basics.wait_until(lambda: not alive(identity), seconds, f"end of process {identity.pid} after SIGKILL",
                      interval=0.01)


def die_with_parent() -> None:
    """For preexec_fn: the child is killed when the thread that started it ends, however it ends."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tail(path: pathlib.Path, lines: int = 3) -> str:
    """The last lines of a log on one line, for an error message."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return f"{path} does not exist"
    return f"{path}: " + " | ".join(text.strip().splitlines()[-lines:])
