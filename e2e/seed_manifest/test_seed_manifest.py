"""The manifest that the project was founded on, as it stands, yields a working agent."""

import json

import pytest

from support.agents import READY_SECONDS, Agent
from support.cluster import ROOT

MANIFEST = str(ROOT / "examples" / "my-agent.yaml")


def test_it_is_ready_within_a_minute_and_answers_its_namespace(kube, client):
    kube.run("apply", "--filename", MANIFEST)
    agent = Agent(kube, "my-agent")
    agent.await_ready(READY_SECONDS)

    answer = client.post("http://my-agent/run", "remember buy milk")
    assert json.loads(answer)["output"] == "noted: buy milk", answer
    assert client.notes("my-agent") == ["buy milk"]
    assert agent.get()["status"]["url"] == f"http://my-agent.{kube.namespace}.svc"


def test_its_parts_are_what_the_manifest_asks_for(kube):
    kube.run("apply", "--filename", MANIFEST)
    agent = Agent(kube, "my-agent")
    agent.await_ready()

    container = agent.pod()["spec"]["containers"][0]
    assert container["image"] == "openagents/agent-runtime:latest"
    assert container["resources"] == {"requests": {"memory": "256Mi", "cpu": "100m"},
                                      "limits": {"memory": "1Gi", "cpu": "1"}}
    claim = kube.get("persistentvolumeclaim", agent.claim)
    assert claim["status"]["phase"] == "Bound"
    assert claim["spec"]["storageClassName"] == "fast-ssd"
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"
    for kind, status in {"Ready": "True", "StorageReady": "True", "Degraded": "False"}.items():
        kube.wait("agent/my-agent", f"condition={kind}={status}", 10)


@pytest.mark.parametrize("server_side", [False, True], ids=["client-side", "server-side"])
def test_applying_it_again_changes_nothing(kube, server_side):
    words = ["apply", *(["--server-side"] if server_side else []), "--filename", MANIFEST]
    kube.run(*words)
    agent = Agent(kube, "my-agent")
    agent.await_ready()
    kube.wait("agent/my-agent", "condition=Progressing=False", 30)

    def versions() -> dict:
        parts = {"agent": "my-agent", "statefulset": "my-agent", "service": "my-agent", "pod": "my-agent-0",
                 "persistentvolumeclaim": agent.claim}
        return {kind: kube.get(kind, name)["metadata"]["resourceVersion"] for kind, name in parts.items()}

    before = versions()
    kube.run(*words)
    assert versions() == before


def test_its_columns_tell_how_it_is(kube):
    kube.run("apply", "--filename", MANIFEST)
    Agent(kube, "my-agent").await_ready()

    header, row = kube.run("get", "ag", "my-agent").splitlines()
    assert header.split() == ["NAME", "PHASE", "READY", "REASON", "AGE"]
    assert row.split()[:3] == ["my-agent", "Running", "True"]
    header, row = kube.run("get", "openagents", "--output=wide").splitlines()
    assert header.split() == ["NAME", "PHASE", "READY", "REASON", "URL", "IMAGE", "STORAGE", "AGE"]
    assert f"http://my-agent.{kube.namespace}.svc" in row and "openagents/agent-runtime:latest" in row and "10Gi" in row


def test_its_pod_is_as_locked_down_as_the_strictest_namespaces_want(kube):
    kube.run("apply", "--filename", MANIFEST)
    agent = Agent(kube, "my-agent")
    agent.await_ready()

    spec = agent.pod()["spec"]
    assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
    for container in spec["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "runAsUser" not in container["securityContext"]
