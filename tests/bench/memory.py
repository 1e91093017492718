"""Memory of a process, from /proc."""

from __future__ import annotations

import pathlib
import time


def read(pid: int, field: str) -> float:
    """MiB. RssAnon is what the process alone costs; VmRSS counts its program and libraries too."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"/proc/{pid}/status must have {field}")


def settled(pid: int, field: str) -> float:
    """The value once it has stood still for three seconds."""
    last, since = read(pid, field), time.monotonic()
    while time.monotonic() - since < 3:
        time.sleep(0.5)
        now = read(pid, field)
        if abs(now - last) > 0.05:
            last, since = now, time.monotonic()
    return last
