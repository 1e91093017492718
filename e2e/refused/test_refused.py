"""Manifests that must be refused, each with the words that kubectl must show (the `# must:` line of the file).

`created/` holds new agents, `changed/` changes of the one in before.yaml. Where server-side apply says
it in other words, a line `# must (server-side):` has them.
"""

from __future__ import annotations

import pathlib
import re
import secrets

import pytest

FOLDER = pathlib.Path(__file__).parent
APPLY = {"client-side": (), "server-side": ("--server-side",)}
MANIFESTS = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in sorted(FOLDER.glob("*/*.yaml"))]


def expected(path: pathlib.Path, how: str) -> str:
    words = dict(re.findall(r"^# must(?: \(([a-z-]+)\))?: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert "" in words, f"{path} must say in a line '# must: …' what kubectl is to answer"
    return words.get(how, words[""])


@pytest.fixture(scope="module", params=APPLY)
def way(kubectl, request):
    """Client-side or server-side, and a namespace for that one; what is refused leaves nothing behind."""
    how = request.param
    kube = kubectl.within(f"e2e-refused-{how}-{secrets.token_hex(2)}")
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kube.namespace}})
    kube.run("apply", *APPLY[how], "--filename", str(FOLDER / "before.yaml"))
    before = kube.get("agent", "my-agent")
    yield kube, how
    after = kube.list("agents")
    kubectl.run("delete", "namespace", kube.namespace, "--wait=false")
    assert [agent["spec"] for agent in after] == [before["spec"]], "a refused manifest left something behind"


@pytest.mark.parametrize("path", MANIFESTS)
def test_it_is_refused(way, path):
    kube, how = way
    done = kube.try_run("apply", *APPLY[how], "--filename", str(path))
    assert done.returncode != 0, f"{path.name} must be refused and was accepted: {done.stdout}"
    assert expected(path, how) in done.stderr
