#!/usr/bin/env python3
"""No path of one person's machine, no note without an owner, no dead link, no script that does not
parse, no C++ file that clang-format would change."""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess

import tree

TEXT = (*tree.CPP, ".py", ".sh", ".go", ".c", ".cmake", ".txt", ".json", ".yaml", ".yml", ".md", ".toml", "Makefile",
        "Dockerfile", ".ci/run")
HOME_PATHS = re.compile(r"(?<![\w.}>])/(root|home/[a-z][-a-z0-9_]*|Users/\w+|work)/")
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\([a-z][-a-z0-9]*\))")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCES = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CLANG_FORMAT = "clang-format-14"


def check_words(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(*TEXT):
        if name.startswith("tests/checks/"):
            continue  # spells out what is forbidden
        for number, line in enumerate(files.text(name).splitlines(), 1):
            if found := HOME_PATHS.search(line):
                problems.append(f"{name}:{number}: {found.group(0)} is a path of one machine")
            if found := NOTES.search(line):
                problems.append(f"{name}:{number}: {found.group(0)} must name its owner: {found.group(0)}(name)")
    return problems


def check_links(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(".md"):
        for found in LINK.finditer(FENCES.sub("", files.text(name))):
            target = (found.group(1) or found.group(2)).partition("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
            if not files.has(path):
                problems.append(f"{name}: links to {target}, which does not exist")
    return problems


def check_scripts(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(".py"):
        try:
            compile(files.text(name), name, "exec")
        except SyntaxError as error:
            problems.append(f"{name}:{error.lineno}: {error.msg}")
    scripts = files.shell_scripts()
    if scripts:
        problems += output_of(["shellcheck", "--format=gcc", *scripts], files)
    return problems


def check_format(files: tree.Tree) -> list[str]:
    sources = files.ending(*tree.CPP)
    if not sources:
        return []
    lines = output_of([CLANG_FORMAT, "--style=file", "--dry-run", "-Werror", *sources], files)
    changed = {line.partition(":")[0] for line in lines if "-Wclang-format-violations" in line}
    return [f"{name}: must be formatted: make fmt" for name in sorted(changed)] or lines


def output_of(command: list[str], files: tree.Tree) -> list[str]:
    if shutil.which(command[0]) is None:
        return [f"{command[0]} is missing: run cmake/install-packages.sh lint"]
    found = subprocess.run(command, cwd=files.root, capture_output=True, text=True, check=False)
    return (found.stdout + found.stderr).splitlines() if found.returncode else []


def check(files: tree.Tree) -> list[str]:
    return check_words(files) + check_links(files) + check_scripts(files) + check_format(files)


if __name__ == "__main__":
    tree.run(check)
