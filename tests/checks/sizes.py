#!/usr/bin/env python3
"""No file over 800 lines, no function over 60. A table of values that is the whole of a function does not count, and a
test may list its cases."""

from __future__ import annotations

import ast
import re

import tree

FILE_LIMIT = 800
FUNCTION_LIMIT = 60
TEST_FUNCTION_LIMIT = 120
TABLE_STATEMENTS = 5
COUNTED = (*tree.CPP, ".py", ".sh", ".go", ".c", ".cmake", "CMakeLists.txt", "Makefile", ".md")

LITERALS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
NOT_FUNCTIONS = re.compile(r"(^|[\s;{}])(namespace|class|struct|union|enum|extern)\b[^()]*$|=\s*$|\breturn\b[^()]*$")


def blank(found: re.Match) -> str:
    """A literal or comment as spaces, its line breaks kept; 1'000 is no character literal."""
    return re.sub(r"[^\n]", " ", found.group(0))


def cpp_functions(text: str) -> list[tuple[int, int]]:
    """(first line, number of lines) of each function's definition, outermost ones only."""
    text = LITERALS.sub(blank, re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text))
    functions = []
    stack: list[tuple[bool, int, int]] = []  # is a function, its first line, where its body begins
    head = 0  # where the text before the next brace begins
    for found in re.finditer(r"[{};]", text):
        at = found.start()
        if found.group(0) == "{":
            before = text[head:at]
            in_function = any(function for function, *_ in stack)
            is_function = not in_function and "(" in before and not NOT_FUNCTIONS.search(before.rstrip())
            first = head + len(before) - len(before.lstrip())
            stack.append((is_function, text.count("\n", 0, first) + 1, at))
        elif found.group(0) == "}" and stack:
            is_function, line, statements = stack.pop()
            if is_function and text.count(";", statements, at) > TABLE_STATEMENTS:
                functions.append((line, text.count("\n", 0, at) + 2 - line))
        head = at + 1
    return functions


def python_functions(text: str) -> list[tuple[int, int]]:
    return [(node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1) for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def check(files: tree.Tree) -> list[str]:
    problems = []
    for name in files.ending(*COUNTED):
        text = files.text(name)
        lines = text.count("\n")
        if lines > FILE_LIMIT:
            problems.append(f"{name}: has {lines} lines, at most {FILE_LIMIT} are allowed")
        find = cpp_functions if name.endswith(tree.CPP) else python_functions if name.endswith(".py") else None
        limit = TEST_FUNCTION_LIMIT if name.startswith("tests/") else FUNCTION_LIMIT
        problems += [f"{name}:{line}: the function has {length} lines, at most {limit} are allowed"
                     for line, length in (find(text) if find else []) if length > limit]
    return problems


if __name__ == "__main__":
    tree.run(check)
