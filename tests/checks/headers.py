#!/usr/bin/env python3
"""Every header compiles alone.

A header with a .cc file of its name is compiled alone by that file, which must include it first
(a test must include its subject first). The others are compiled by the target header_checks, whose
list in tests/checks/CMakeLists.txt must be complete.
"""

from __future__ import annotations

import re

import tree

LISTING = "tests/checks/CMakeLists.txt"
FIRST_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def header_of(source: str) -> str:
    """core/text.h of core/text.cc and of tests/unit/core/text_test.cc"""
    if source.startswith("tests/"):
        source = re.sub(r"^tests/(unit|integration)/", "", source).replace("_test.cc", ".cc")
    return source.removesuffix(".cc") + ".h"


def listed(text: str) -> list[str]:
    block = re.search(r"set\(header_only\b(.*?)\)", text, re.DOTALL)
    return block.group(1).split() if block else []


def check(files: tree.Tree) -> list[str]:
    problems = []
    compiled = set()
    for source in files.ending(".cc"):
        header = header_of(source)
        if not files.has(header):
            continue
        if not source.startswith("tests/unit/"):
            compiled.add(header)
        first = FIRST_INCLUDE.search(files.text(source))
        if first is None or first.group(1) != header:
            problems.append(f'{source}: its first include must be "{header}"')
    wanted = [name for name in files.ending(".h") if name not in compiled]
    have = listed(files.text(LISTING))
    problems += [f"{LISTING}: header_only must list {name}, which no .cc file includes first"
                 for name in wanted if name not in have]
    problems += [f"{LISTING}: header_only must not list {name}, which does not exist or has a .cc file"
                 for name in have if name not in wanted]
    for name in files.ending(".h"):
        if "#pragma once" not in files.text(name):
            problems.append(f"{name}: must say #pragma once")
    return problems


if __name__ == "__main__":
    tree.run(check)
