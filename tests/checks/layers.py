#!/usr/bin/env python3
"""Which folder may include which, and where third-party headers may appear."""

from __future__ import annotations

import re

import tree

# A folder may include itself and these. Binaries never include each other.
EDGES = {
    "core": set(),
    "libs/obs": {"core"},
    "libs/crypto": {"core"},
    "libs/net": {"core", "libs/obs"},
    "libs/sqlite": {"core", "libs/obs"},
    "libs/kube": {"core", "libs/crypto", "libs/net", "libs/obs"},
    "libs/backends": {"core", "libs/kube", "libs/net", "libs/obs"},
    "operator": {"core", "libs/crypto", "libs/kube", "libs/backends", "libs/net", "libs/obs"},
    "gateway": {"core", "libs/crypto", "libs/kube", "libs/backends", "libs/net", "libs/obs"},
    "cli": {"core", "libs/crypto", "libs/kube", "libs/backends", "libs/net", "libs/obs"},
    "runtime-pod": {"core", "libs/crypto", "libs/net", "libs/sqlite", "libs/obs", "kernels/engine"},
    "kernels": set(),
    "kernels/cpu": {"kernels"},
    "kernels/cuda": {"kernels"},
    "kernels/engine": {"kernels", "core"},
}
# Folders whose code meets only tests: they may include anything.
FREE = ("tests", "e2e")

# Costly or invasive libraries stay out of public headers, so that their users can change and
# everyone else's compile time does not.
PRIVATE_LIBRARIES = re.compile(r"<(boost/|cpprest/|pplx/|prometheus/|sqlite3\.h|yaml-cpp/|openssl/|grpcpp/|google/protobuf/)")

# core/ is values in, values out, and so is a file that declares itself pure.
IMPURE = re.compile(
    r"<(thread|mutex|shared_mutex|condition_variable|future|atomic|stop_token|fstream|iostream|filesystem|unistd\.h|"
    r"sys/[a-z]+\.h|netinet/.*|poll\.h|fcntl\.h|boost/|cpprest/|sqlite3\.h|prometheus/)"
    r"|_clock::now\(|\bstd::(time|getenv|this_thread|random_device)\b|\b(clock_gettime|gettimeofday|getenv|sleep|usleep)\(")
# A header that claims nothing but pure functions is held to it, with its .cc file. It may include
# core/, its likes, and headers of values; what is both, or more, says so in its thread-safety line.
PURE = re.compile(r"^// Thread-safety: pure functions( (on|over) (plain )?values)?\.$", re.MULTILINE)
VALUES = re.compile(r"^// Thread-safety: ((?!but for|`).)*(plain value|constant|pure functions|immutable)((?!but for|`).)*$",
                    re.MULTILINE)
# Interfaces, which are as good as values.
INTERFACES = {"libs/kube/transport.h", "runtime-pod/handlers/handler.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)


def folder_of(path: str) -> str | None:
    """The longest folder of the table that holds the file."""
    holders = [folder for folder in EDGES if path.startswith(folder + "/")]
    return max(holders, key=len, default=None)


def without_comments(text: str) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)


def is_generated(target: str, name: str, files: tree.Tree) -> bool:
    """A private header that the folder's CMakeLists.txt makes."""
    listing = name.rpartition("/")[0] + "/CMakeLists.txt"
    return "/" not in target and files.has(listing) and target in files.text(listing)


def check_edges(name: str, includes: list[str], files: tree.Tree) -> list[str]:
    problems = []
    own = folder_of(name)
    free = name.startswith(tuple(folder + "/" for folder in FREE))
    if own is None and not free:
        return [f"{name}: its folder must be in the table of tests/checks/layers.py"]
    for include in includes:
        if not include.startswith('"'):
            continue
        target = include.strip('"')
        if is_generated(target, name, files):
            continue
        if not files.has(target):
            problems.append(f"{name}: includes {include}, which must be a path from the root of the repository")
        elif not free and folder_of(target) not in EDGES[own] | {own}:
            problems.append(f"{name}: {own} must not include {target}; allowed: {', '.join(sorted(EDGES[own])) or 'itself'}")
    return problems


def check_private_libraries(name: str, includes: list[str]) -> list[str]:
    if not name.endswith(".h") or name.endswith("_impl.h"):
        return []
    return [f"{name}: includes {include}, which belongs in a .cc file or a private *_impl.h"
            for include in includes if PRIVATE_LIBRARIES.match(include)]


def marked(files: tree.Tree, mark: re.Pattern) -> set[str]:
    return {name for name in files.ending(".h") if not name.startswith(FREE) and not name.endswith("_impl.h")
            and mark.search(files.text(name))}


def check_purity(name: str, includes: list[str], text: str, allowed: set[str]) -> list[str]:
    """Of a file of core/, or one declared pure."""
    problems = [f"{name}: {found.group(0)!r} must not appear in core/ or a file declared pure"
                for found in IMPURE.finditer(without_comments(text))]
    if not name.startswith("core/"):
        targets = [include.strip('"') for include in includes if include.startswith('"')]
        problems += [f"{name}: is declared pure and must not include {target}, which is not" for target in targets
                     if not target.startswith("core/") and target not in allowed and "/" in target]
    return problems


def check(files: tree.Tree) -> list[str]:
    problems = []
    pure = marked(files, PURE)
    allowed = pure | marked(files, VALUES) | INTERFACES
    for name in files.ending(*tree.CPP):
        text = files.text(name)
        includes = INCLUDE.findall(text)
        problems += check_edges(name, includes, files)
        problems += check_private_libraries(name, includes)
        if name.startswith("core/") or re.sub(r"\.cc$", ".h", name) in pure:
            problems += check_purity(name, includes, text, allowed)
    return problems


if __name__ == "__main__":
    tree.run(check)
