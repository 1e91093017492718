#!/usr/bin/env python3
"""Nothing is left out of the build or the tests in silence: every .cc file is listed in the
CMakeLists.txt of its folder, every Python test is run by a ctest, and every unit test lies where
its subject does."""

from __future__ import annotations

import posixpath
import re

import tree

UNIT = "tests/unit/"
SUPPORT = "tests/support/"
LISTING = "CMakeLists.txt"


def words(listing: str) -> list[str]:
    """Of a CMakeLists.txt, without comments; paths from the root stay as such."""
    found = re.findall(r"[^\s()\"]+", re.sub(r"#[^\n]*", "", listing))
    return [word.replace("${CMAKE_SOURCE_DIR}/", "").replace("${CMAKE_CURRENT_SOURCE_DIR}/", "").rstrip("/")
            for word in found]


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
        if name.startswith(SUPPORT):  # compiled by each test that wants it
            registered = any(name in words(files.text(other)) for other in files.ending(LISTING))
        else:
            registered = listing is not None and inside in words(files.text(listing))
        if not registered:
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


def prefixes(path: str) -> set[str]:
    """a, a/b and a/b/c of a/b/c"""
    parts = path.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}


def is_run(name: str, files: tree.Tree) -> bool:
    """A Python test is run if an add_test in a folder above it names it or a folder that holds it,
    or runs pytest where a pytest.ini lists such a folder in testpaths."""
    place = folder(name)
    while True:
        ways = prefixes(posixpath.relpath(name, place or "."))
        listing, config = posixpath.join(place, LISTING), posixpath.join(place, "pytest.ini")
        if files.has(listing):
            said = set(words(" ".join(re.findall(r"add_test\(NAME \S+(.*?)\)\n", files.text(listing), re.DOTALL))))
            if said & (ways | prefixes(name)):
                return True
            if "pytest" in said and files.has(config):
                paths = re.search(r"^testpaths\s*=(.*(?:\n[ \t].*)*)", files.text(config), re.MULTILINE)
                if paths is None or (ways | {"."}) & set(paths.group(1).split()):
                    return True
        if not place:
            return False
        place = folder(place)


def check_python_tests(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(".py"):
        base = posixpath.basename(name)
        if (base.startswith("test_") or base.endswith("_test.py")) and not is_run(name, files):
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
