"""Errors, progress lines, cache paths, locks and polling: what every part uses."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence


class HarnessError(Exception):
    """Something that the person at the terminal can act on; printed as one line."""


def say(text: str) -> None:
    """Progress goes to stderr: stdout carries only what scripts read."""
    print(text, file=sys.stderr, flush=True)


def cache_dir() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "openagents"


@contextlib.contextmanager
def file_lock(name: str) -> Iterator[None]:
    """Holds a lock that other processes of this user respect; released on death, too."""
    path = cache_dir() / "locks" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another process that holds {path}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def wait_until(condition: Callable[[], bool], seconds: float, what: str,
               detail: Callable[[], str] = lambda: "", interval: float = 0.05) -> None:
    """Polls until the condition holds; after the deadline fails naming what was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: must hold within {seconds:g} s and did not. {detail()}".rstrip())
        time.sleep(interval)


def run(argv: Sequence[str | os.PathLike], *, input_text: str | None = None,
        env: dict[str, str] | None = None, cwd: str | os.PathLike | None = None,
        seconds: float | None = None) -> str:
    """Runs a command to its end and returns its stdout; a failure names it and its last words."""
    words = [os.fspath(word) for word in argv]
    try:
        done = subprocess.run(words, input=input_text, env=env, cwd=cwd, timeout=seconds, check=False,
                              stdin=None if input_text is not None else subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        raise HarnessError(f"command {words[0]!r} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"command {' '.join(words)!r} must end within {seconds:g} s") from error
    if done.returncode != 0:
        last = " | ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])
        raise HarnessError(f"command {' '.join(words)!r} exited with {done.returncode}: {last}")
    return done.stdout


def exit_code_of(main: Callable[[], int]) -> int:
    """Runs a command's main function; turns expected failures into one line on stderr."""
    try:
        return main()
    except HarnessError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("error: interrupted")
        return 130
