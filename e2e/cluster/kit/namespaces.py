"""The node: a set of Linux namespaces whose first process holds them open.

Processes of the node get their own network, mount, process, IPC and host name
namespaces. That is what makes the end of a cluster certain: when the first
process dies, the kernel kills every other one of its process namespace,
containers included, and with the last of them go the mounts, the inner network
namespaces and the firewall rules. Nothing has to be found and undone one by one.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from . import basics

NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
NAMESPACES = {"net": NEW_NET, "ipc": NEW_IPC, "uts": NEW_UTS, "pid": NEW_PID, "mnt": NEW_MOUNT}
NSENTER = ["--net", "--ipc", "--uts", "--pid", "--mount"]


def _system_call(name: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}{arguments}: {os.strerror(number)}")


def _unshare_all() -> None:
    flags = 0
    for flag in NAMESPACES.values():
        flags |= flag
    _system_call("unshare", flags)


def _join(holder: int) -> None:
    # All are opened before the first is entered: another mount namespace may show another /proc.
    descriptors = {name: os.open(f"/proc/{holder}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES}
    for name, flag in NAMESPACES.items():
        _system_call("setns", descriptors[name], flag)


def _redirect(log: pathlib.Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _fork_twice(log: pathlib.Path, mark: Callable[[], None], enter: Callable[[], None],
                become: Callable[[], None]) -> int:
    """Runs `become` in a grandchild and returns its pid as this process sees it.

    The child calls `mark`, which makes it and all that come from it findable
    even if this process is killed now, and `enter`; a process namespace holds
    only children born after that, hence the second fork. The child ends at once,
    so the grandchild is an orphan in a session of its own and outlives the
    calling shell.
    """
    receive, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            _redirect(log)
            mark()
            enter()
            grandchild = os.fork()
            if grandchild == 0:
                os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # locks and pipes of the caller must end with the caller
                become()
            os.write(report, str(grandchild).encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001 (a fork must never return into its parent's code)
            traceback.print_exc(file=sys.stderr)
            sys.stderr.flush()
            os._exit(1)
    os.close(report)
    with os.fdopen(receive, "rb") as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        raise basics.HarnessError(f"process for {log} could not be started: see that file")
    return int(text)


def create(first: Sequence[str], log: pathlib.Path, mark: Callable[[], None], set_up: Callable[[], None]) -> int:
    """Makes the namespaces, runs `set_up` inside and then `first` as process 1; returns its pid outside."""
    def become() -> None:
        set_up()
        os.execv(first[0], list(first))

    return _fork_twice(log, mark, _unshare_all, become)


def spawn(holder: int, argv: Sequence[str | os.PathLike], log: pathlib.Path, mark: Callable[[], None],
          environment: Mapping[str, str]) -> int:
    """Starts a program in the holder's namespaces as a session of its own; returns its pid outside."""
    words = [os.fspath(word) for word in argv]

    def become() -> None:
        os.setsid()
        os.chdir("/")
        os.execve(words[0], words, dict(environment))

    return _fork_twice(log, mark, lambda: _join(holder), become)


def command(holder: int, argv: Sequence[str | os.PathLike]) -> list[str]:
    """The command line that runs argv in the holder's namespaces and waits for it."""
    return ["nsenter", f"--target={holder}", *NSENTER, "--", *(os.fspath(word) for word in argv)]
