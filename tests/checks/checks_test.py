#!/usr/bin/env python3
"""Each check finds what it is for, and is content with a tree that is right."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import unittest

import fresh
import headers
import hygiene
import layers
import registered
import sizes
import tree


class CheckTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def tree(self, **files: str) -> tree.Tree:
        """A tree of these files; "__" in a name stands for "/", "DOT" for "."."""
        for name, text in files.items():
            path = self.root / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tree.Tree(self.root)

    def assert_finds(self, problems: list[str], *fragments: str) -> None:
        self.assertEqual(len(problems), len(fragments), problems)
        for problem, fragment in zip(problems, fragments):
            self.assertIn(fragment, problem)


class Layers(CheckTest):
    def test_allowed_edges_pass(self) -> None:
        self.assert_finds(layers.check(self.tree(
            core__aDOTh="", libs__net__aDOTh='#include "core/a.h"\n#include <string>\n',
            operator__aDOTcc='#include "libs/net/a.h"\n#include <boost/asio.hpp>\n',
            tests__aDOTcc='#include "operator/b.h"\n', operator__bDOTh="")))

    def test_core_must_not_include_a_library_of_ours(self) -> None:
        self.assert_finds(layers.check(self.tree(core__aDOTh='#include "libs/net/a.h"\n', libs__net__aDOTh="")),
                          "core must not include libs/net/a.h")

    def test_binaries_must_not_include_each_other(self) -> None:
        problems = layers.check(self.tree(**{"operator__aDOTcc": '#include "runtime-pod/a.h"\n', "runtime-pod__aDOTh": ""}))
        self.assert_finds(problems, "operator must not include runtime-pod/a.h")

    def test_includes_are_paths_from_the_root(self) -> None:
        self.assert_finds(layers.check(self.tree(core__aDOTcc='#include "a.h"\n', core__aDOTh="")), "must be a path from the root")

    def test_a_new_folder_must_be_in_the_table(self) -> None:
        self.assert_finds(layers.check(self.tree(misc__aDOTcc="")), "must be in the table")

    def test_private_libraries_stay_out_of_public_headers(self) -> None:
        self.assert_finds(layers.check(self.tree(libs__net__aDOTh="#include <boost/asio.hpp>\n",
                                                 libs__net__a_implDOTh="#include <boost/asio.hpp>\n")), "libs/net/a.h: includes")

    def test_core_reads_no_clock_and_starts_no_thread(self) -> None:
        self.assert_finds(layers.check(self.tree(
            core__aDOTcc="#include <thread>\nauto t = std::chrono::system_clock::now();  // not steady_clock::now()\n")),
            "'<thread'", "'_clock::now('")

    def test_a_pure_file_includes_only_pure_files(self) -> None:
        pure = "// Thread-safety: pure functions.\n"
        self.assert_finds(layers.check(self.tree(
            operator__planDOTh=pure, operator__planDOTcc='#include "operator/plan.h"\n#include "operator/names.h"\n#include "operator/shell.h"\n',
            operator__namesDOTh=pure, operator__shellDOTh="// Thread-safety: none.\n")),
            "operator/plan.cc: is declared pure and must not include operator/shell.h")


class Headers(CheckTest):
    LISTING = "set(header_only\n  core/b.h)\n"

    def test_complete_lists_pass(self) -> None:
        self.assert_finds(headers.check(self.tree(
            core__aDOTcc='#include "core/a.h"\n', core__aDOTh="#pragma once\n", core__bDOTh="#pragma once\n",
            tests__unit__core__a_testDOTcc='#include "core/a.h"\n', tests__checks__CMakeListsDOTtxt=self.LISTING)))

    def test_a_source_includes_its_own_header_first(self) -> None:
        self.assert_finds(headers.check(self.tree(
            core__aDOTcc='#include <string>\n#include "core/a.h"\n', core__aDOTh="#pragma once\n", core__bDOTh="#pragma once\n",
            tests__unit__core__b_testDOTcc="#include <string>\n", tests__checks__CMakeListsDOTtxt=self.LISTING)),
            'core/a.cc: its first include must be "core/a.h"', 'core/b_test.cc: its first include must be "core/b.h"')

    def test_the_list_is_complete_and_has_nothing_else(self) -> None:
        self.assert_finds(headers.check(self.tree(core__cDOTh="#pragma once\n", tests__checks__CMakeListsDOTtxt=self.LISTING)),
                          "must list core/c.h", "must not list core/b.h")

    def test_headers_guard_themselves(self) -> None:
        self.assert_finds(headers.check(self.tree(core__bDOTh="", tests__checks__CMakeListsDOTtxt=self.LISTING)), "#pragma once")


class Registered(CheckTest):
    GOOD = {
        "CMakeListsDOTtxt": "add_subdirectory(core)\nadd_subdirectory(tests)\n",
        "core__CMakeListsDOTtxt": "oa_library(oa_core SOURCES a.cc)\n", "core__aDOTcc": "",
        "tests__CMakeListsDOTtxt": "add_subdirectory(unit/core)\nadd_test(NAME x COMMAND python -m pytest ${CMAKE_SOURCE_DIR}/tests/story)\n",
        "tests__unit__core__CMakeListsDOTtxt": "oa_test(core_test SOURCES a_test.cc)\n", "tests__unit__core__a_testDOTcc": "",
        "tests__story__test_oneDOTpy": "",
    }

    def test_a_complete_tree_passes(self) -> None:
        self.assert_finds(registered.check(self.tree(**self.GOOD)))

    def test_a_forgotten_test_is_found(self) -> None:
        self.assert_finds(registered.check(self.tree(**self.GOOD, tests__unit__core__b_testDOTcc="")), "must be listed as b_test.cc")

    def test_a_commented_out_test_is_found(self) -> None:
        files = self.GOOD | {"tests__unit__core__CMakeListsDOTtxt": "# oa_test(core_test SOURCES a_test.cc)\n"}
        self.assert_finds(registered.check(self.tree(**files)), "must be listed as a_test.cc")

    def test_a_folder_that_is_not_added_is_found(self) -> None:
        files = self.GOOD | {"CMakeListsDOTtxt": "add_subdirectory(tests)\n"}
        self.assert_finds(registered.check(self.tree(**files)), "must say add_subdirectory(core)")

    def test_a_python_test_that_nothing_runs_is_found(self) -> None:
        self.assert_finds(registered.check(self.tree(**self.GOOD, e2e__test_twoDOTpy="")), "e2e/test_two.py: no add_test")

    def test_pytest_runs_what_its_configuration_lists(self) -> None:
        files = self.GOOD | {"CMakeListsDOTtxt": self.GOOD["CMakeListsDOTtxt"] + "add_subdirectory(e2e)\n",
                             "e2e__CMakeListsDOTtxt": "add_test(NAME e2e COMMAND python -m pytest)\n",
                             "e2e__pytestDOTini": "[pytest]\ntestpaths = one two\n", "e2e__one__test_aDOTpy": ""}
        self.assert_finds(registered.check(self.tree(**files)))
        self.assert_finds(registered.check(self.tree(**files, e2e__three__test_bDOTpy="")), "e2e/three/test_b.py: no add_test")

    def test_tests_mirror_the_tree(self) -> None:
        files = {name: text for name, text in self.GOOD.items() if not name.startswith("core__")}
        files["CMakeListsDOTtxt"] = "add_subdirectory(tests)\n"
        self.assert_finds(registered.check(self.tree(**files)), "there is no code in core/")


class Sizes(CheckTest):
    def test_long_files_are_found(self) -> None:
        self.assert_finds(sizes.check(self.tree(aDOTcc="\n" * 801, bDOTcc="\n" * 800)), "a.cc: has 801 lines")

    def test_long_functions_are_found(self) -> None:
        line = "  call({1, 2}, \"}\");  // }\n"
        inside = "namespace x {\nclass C {\n public:\n" + "  int f() { return 1'000; }\n" * 70 + "};\n"
        self.assert_finds(sizes.check(self.tree(
            shortDOTcc=inside + "Result<int> f(\n    int x) {\n" + line * 57 + "}\n}\n",
            longDOTcc=inside + "Result<int> f(int x) {\n" + line * 59 + "}\nint table[] = {\n" + "  {f(1)},\n" * 80 + "};\n}\n")),
            "long.cc:75: the function has 61 lines")

    def test_long_python_functions_are_found(self) -> None:
        self.assert_finds(sizes.check(self.tree(aDOTpy="def f():\n" + "    g()\n" * 60)), "a.py:1: the function has 61 lines")


class Hygiene(CheckTest):
    def test_paths_of_one_machine_are_found(self) -> None:
        self.assert_finds(hygiene.check_words(self.tree(
            aDOTmd="see /ro" "ot/x\n", bDOTpy="'/home/" "someone/y'\n", cDOTmd="below $HOME/work/ or <home>/root/ nothing\n")),
            "a.md:1", "b.py:1")

    def test_notes_need_an_owner(self) -> None:
        self.assert_finds(hygiene.check_words(self.tree(aDOTmd="TODO: x\nTODO(ada): y\n")), "a.md:1")

    def test_dead_links_are_found(self) -> None:
        self.assert_finds(hygiene.check_links(self.tree(
            docs__aDOTmd="[x](b.md#part) [y](../c.md) [z](https://example.com) [w](gone.md)\n```\n[v](code.md)\n```\n",
            docs__bDOTmd="", cDOTmd="")), "docs/a.md: links to gone.md")

    def test_undocumented_reasons_are_found(self) -> None:
        self.assert_finds(hygiene.check_reasons(self.tree(
            operator__statusDOTcc='return {"PodReady", "it is"};\nadd({"OutOfLuck", text});\n{"kind", "Service"}\n',
            docs__conditionsDOTmd="| `PodReady` |\n")), "the reason OutOfLuck")

    def test_broken_scripts_are_found(self) -> None:
        self.assert_finds(hygiene.check_scripts(self.tree(aDOTpy="def f(:\n")), "a.py:1")
        self.assertTrue(hygiene.check_scripts(self.tree(aDOTpy="", b="#!/usr/bin/env bash\nrm $1\n")))
        self.assert_finds(hygiene.check_scripts(self.tree(b='#!/usr/bin/env bash\nrm "$1"\n')))

    def test_unformatted_files_are_found(self) -> None:
        self.tree(**{"DOTclang-format": "BasedOnStyle: Google\n"})
        self.assert_finds(hygiene.check_format(self.tree(aDOTcc="int  x;\n", bDOTcc="int x;\n")), "a.cc: must be formatted")


class Fresh(CheckTest):
    def test_a_stale_file_is_found(self) -> None:
        self.tree(crd="a: 1\n")
        printed = [sys.executable, "-c", "print('a: 1')"]
        self.assertEqual(fresh.check(str(self.root / "crd"), "make crd", printed), [])
        self.tree(crd="a: 2\n")
        self.assertIn("is stale: make crd", fresh.check(str(self.root / "crd"), "make crd", printed)[0])


if __name__ == "__main__":
    unittest.main()
