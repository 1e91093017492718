#!/usr/bin/env python3
"""No path of one person's machine, no note without an owner, no dead link, no undocumented reason,
no script that does not parse, no C++ file that clang-format would change."""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess

import tree

TEXT = (*tree.CPP, ".py", ".sh", ".go", ".c", ".cmake", ".txt", ".json", ".yaml", ".yml", ".md", ".toml", "Makefile",
        "Dockerfile", ".ci/run")
# "me" and "ada" are whom tests invent.
HOME_PATHS = re.compile(r"(?<![\w.}>])/(root|home/(?!(?:me|ada)/)[a-z][-a-z0-9_]*|Users/\w+|work)/")
INSIDE_IMAGES = "/root/.cache/ccache"  # of the user that builds an image, the same everywhere
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\([a-z][-a-z0-9]*\))")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCES = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
REASON = re.compile(r'\{"((?:[A-Z][a-z]+)+)",')
REASONS_PAGE = "docs/conditions.md"
CLANG_FORMAT = "clang-format-14"


def check_words(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(*TEXT):
        if name.startswith("tests/checks/"):
            continue  # spells out what is forbidden
        for number, line in enumerate(files.text(name).splitlines(), 1):
            if found := HOME_PATHS.search(line.replace(INSIDE_IMAGES, "")):
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


def check_reasons(files: tree.Tree) -> list[str]:
    """Reasons are braced with their messages; phases and events look the same."""
    if not files.has(REASONS_PAGE):
        return []
    page = files.text(REASONS_PAGE)
    return [f"{name}: the reason {reason} must have a row in {REASONS_PAGE}"
            for name in files.ending(".cc") if name.startswith("operator/")
            for reason in dict.fromkeys(REASON.findall(files.text(name))) if f"`{reason}`" not in page]


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
    return check_words(files) + check_links(files) + check_reasons(files) + check_scripts(files) + check_format(files)


if __name__ == "__main__":
    tree.run(check)
