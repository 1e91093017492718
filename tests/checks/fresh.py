#!/usr/bin/env python3
"""A checked-in file is what its generator prints: fresh.py FILE HINT PROGRAM [ARGUMENT...]"""

from __future__ import annotations

import difflib
import pathlib
import subprocess
import sys


def check(path: str, hint: str, command: list[str]) -> list[str]:
    wanted = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    have = pathlib.Path(path).read_text(encoding="utf-8")
    difference = list(difflib.unified_diff(have.splitlines(), wanted.splitlines(), "checked in", "generated", lineterm=""))
    return [f"{path}: is stale: {hint}", *difference[:40]] if difference else []


def main() -> int:
    problems = check(sys.argv[1], sys.argv[2], sys.argv[3:])
    print("\n".join(problems) if problems else "no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
