"""Waiting for conditions that `kubectl wait` cannot name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], seconds: float, what: str, interval: float = 0.2) -> T:
    """Looks until the answer is true, and returns it; after the deadline fails naming what was awaited."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: must hold within {seconds:g} s and did not; last seen: {seen!r}")
        time.sleep(interval)
