#!/usr/bin/env python3
"""Nothing is left out of the build or the tests in silence: every .cc file is listed in the
CMakeLists.txt of its folder, every Python test is run by a ctest, and every unit test lies where
its subject does."""

from __future__ import annotations

import posixpath
import re

import tree

UNIT = "tests/unit/"
LISTING = "CMakeLists.txt"


def folder(name: str) -> str:
    return posixpath.dirname(name)


def nearest_listing(name: str, files: tree.Tree) -> str | None:
    """The CMakeLists.txt of the file's folder, or of the closest folder above it."""
    place = folder(name)
    while True:
        candidate = posixpath.join(place, LISTING)
        if files.has(candidate):
            return candidate
        if not place:
            return None
        place = folder(place)


def check_sources(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(".cc"):
        listing = nearest_listing(name, files)
        inside = posixpath.relpath(name, folder(listing) or ".") if listing else name
        words = re.findall(r"[^\s()\"]+", re.sub(r"#[^\n]*", "", files.text(listing))) if listing else []
        if inside not in words:
            problems.append(f"{name}: must be listed as {inside} in {listing or 'a CMakeLists.txt of its folder'}")
    return problems


def check_folders(files: tree.Tree) -> list[str]:
    """Every CMakeLists.txt is reached from the one above it."""
    problems = []
    for name in files.ending(LISTING):
        if not folder(name):
            continue
        above = nearest_listing(folder(name), files)
        inside = posixpath.relpath(folder(name), folder(above) or ".") if above else ""
        if above is None or not re.search(rf"add_subdirectory\({re.escape(inside)}[\s)]", files.text(above)):
            problems.append(f"{name}: {above} must say add_subdirectory({inside})")
    return problems


def check_python_tests(files: tree.Tree) -> list[str]:
    """A file is run if a CMakeLists.txt above it names it, or a folder that holds it, after pytest
    or as a script."""
    problems = []
    for name in files.ending(".py"):
        base = posixpath.basename(name)
        if not (base.startswith("test_") or base.endswith("_test.py")):
            continue
        listing = nearest_listing(name, files)
        run = False
        while listing is not None and not run:
            inside = posixpath.relpath(name, folder(listing) or ".")
            parts = inside.split("/")
            ways = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
            words = re.findall(r"[^\s()\"]+", re.sub(r"#[^\n]*", "", files.text(listing)))
            words = [re.sub(r"^\$\{CMAKE_(CURRENT_)?SOURCE_DIR\}/", "", word).rstrip("/") for word in words]
            run = bool(set(ways) & set(words)) or name in words
            listing = nearest_listing(folder(listing), files) if folder(listing) else None
        if not run:
            problems.append(f"{name}: no add_test in a CMakeLists.txt above it runs it or its folder")
    return problems


def check_mirror(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending("_test.cc"):
        if not name.startswith(UNIT):
            continue
        subjects = folder(name).removeprefix(UNIT)
        if not any(other.startswith(subjects + "/") for other in files.ending(".cc", ".h")):
            problems.append(f"{name}: tests mirror the tree, and there is no code in {subjects}/")
    return problems


def check(files: tree.Tree) -> list[str]:
    return check_sources(files) + check_folders(files) + check_python_tests(files) + check_mirror(files)


if __name__ == "__main__":
    tree.run(check)
