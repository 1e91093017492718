"""The examples of docs/verbs do what the pages say.

Of each page, every `sh` block that calls curl is run in order, against a daemon of its own with one agent, my-agent. A `json`
or `text` block that follows it (with nothing but space between) is what it must print: "…" stands for anything, in an object's
member or an array's item of that name for any more of them. A block after a line `<!-- not run: why -->` is left out.
"""

import json
import pathlib
import re
import subprocess

import pytest

import runtime

DOCS = pathlib.Path(__file__).resolve().parents[3] / "docs" / "verbs"
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SKIP = re.compile(r"<!-- not run: [^>]+ -->\s*$")


def examples(page):
    """(commands, kind of what follows, what follows) of each block."""
    blocks = list(BLOCK.finditer(page))
    for block, after in zip(blocks, [*blocks[1:], None]):
        kind, text = block.groups()
        if kind != "sh" or "curl" not in text or SKIP.search(page[:block.start()]):
            continue
        follows = after is not None and page[block.end():after.start()].strip() == ""
        yield (text, *after.groups()) if follows else (text, "", "")


def matches_text(pattern, text):
    return re.fullmatch(".*".join(map(re.escape, pattern.split("…"))), text, re.DOTALL) is not None


def difference(pattern, value, path="$"):
    """Why `value` is not what the pattern says; nothing if it is."""
    if isinstance(pattern, str) and "…" in pattern:
        text = value if isinstance(value, str) else json.dumps(value)
        return None if matches_text(pattern, text) else f"{path}: {value!r} is not {pattern!r}"
    if isinstance(pattern, dict) and isinstance(value, dict):
        wanted, more = {key for key in pattern if key != "…"}, "…" in pattern
        if wanted - value.keys() or (value.keys() - wanted and not more):
            return f"{path}: has {sorted(value)}, not {sorted(pattern)}"
        found = (difference(pattern[key], value[key], f"{path}.{key}") for key in sorted(wanted))
        return next(filter(None, found), None)
    if isinstance(pattern, list) and isinstance(value, list):
        more = bool(pattern) and pattern[-1] == "…"
        wanted = pattern[:-1] if more else pattern
        if len(value) < len(wanted) or (len(value) > len(wanted) and not more):
            return f"{path}: has {len(value)} items, not {len(pattern)}"
        found = (difference(one, value[i], f"{path}[{i}]") for i, one in enumerate(wanted))
        return next(filter(None, found), None)
    return None if pattern == value else f"{path}: {value!r} is not {pattern!r}"


def check(kind, wanted, printed, command):
    if kind == "json":
        body = printed.partition("\r\n\r\n")[2] if printed.startswith("HTTP/") else printed
        try:
            value = json.loads(body)
        except ValueError:
            raise AssertionError(f"{command}\nprinted {printed!r}, not JSON") from None
        problem = difference(json.loads(wanted), value)
        assert problem is None, f"{command}\n{problem}\nprinted {printed}"
    elif kind == "text":
        clean = printed.replace("\r\n", "\n").strip()
        assert matches_text(wanted.strip(), clean), f"{command}\nprinted\n{clean}\nnot\n{wanted}"


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_examples_of_a_page_work(daemon, page, tmp_path):
    for commands, kind, wanted in examples((DOCS / page).read_text(encoding="utf-8")):
        script = commands.replace("localhost:8080", f"localhost:{daemon.port}")
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, capture_output=True, text=True,
                             timeout=2 * runtime.PATIENCE, check=False)
        assert ran.returncode == 0, f"{commands}\nended with {ran.returncode}: {ran.stdout}{ran.stderr}"
        check(kind, wanted, ran.stdout, commands)


@pytest.mark.parametrize("pattern, value, same", [
    ({"a": "…"}, {"a": 1}, True), ({"a": 1}, {"a": 1, "b": 2}, False), ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
    ({"a": 1}, {}, False), (["x…"], ["xyz"], True), (["x…"], ["yz"], False), ([1, "…"], [1, 2, 3], True),
    ([1], [1, 2], False), ("t-…", "t-1", True), (1, 2, False), ("a", "a", True)])
def test_patterns_say_what_they_match(pattern, value, same):
    assert (difference(pattern, value) is None) == same
