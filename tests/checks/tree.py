"""The source tree as the checks see it, and the frame that runs a check.

A check is a function from a Tree to a list of problems, each one line that begins with a path.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
CPP = (".cc", ".h")


class Tree:
    def __init__(self, root: pathlib.Path = ROOT):
        self.root = root
        # Files that are new and not yet added count; what git ignores does not. A tree without git
        # (a release archive, a test's temporary folder) counts whole, but for what was built in it.
        listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
                                capture_output=True, text=True, check=False) if (root / ".git").exists() else None
        if listed is not None and listed.returncode == 0:
            names = [name for name in listed.stdout.split("\0") if name]
        else:
            found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
            names = [path.as_posix() for path in found if path.parts[0] not in ("build", ".git")
                     and "__pycache__" not in path.parts]
        self.files = sorted(name for name in names if (root / name).is_file())

    def ending(self, *suffixes: str) -> list[str]:
        return [name for name in self.files if name.endswith(suffixes)]

    def has(self, name: str) -> bool:
        return (self.root / name).exists()

    def text(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def shell_scripts(self) -> list[str]:
        """By their first line, for not every one has an ending."""
        return [name for name in self.files if self._first_line(name).startswith((b"#!/bin/sh", b"#!/bin/bash",
                                                                                   b"#!/usr/bin/env bash"))]

    def _first_line(self, name: str) -> bytes:
        with open(self.root / name, "rb") as file:
            return file.readline(80)


def run(check: Callable[[Tree], list[str]]) -> None:
    """The main of a check's script: prints the problems; exit code 1 if there are any."""
    problems = check(Tree())
    print("\n".join(problems) if problems else "no problems")
    sys.exit(1 if problems else 0)
