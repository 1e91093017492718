"""Someone else's object of an agent's name is left alone, and the agent says why it is not ready."""

import pytest

from support.agents import condition

LABELS = {"app": "someone-elses"}
STATEFUL_SET = {
    "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "my-agent"},
    "spec": {"replicas": 0, "serviceName": "someone-elses", "selector": {"matchLabels": LABELS},
             "template": {"metadata": {"labels": LABELS},
                          "spec": {"containers": [{"name": "main", "image": "docker.io/local/busybox:1"}]}}},
}
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "my-agent"},
    "spec": {"selector": LABELS, "ports": [{"port": 80}]},
}


@pytest.mark.parametrize("foreign", [STATEFUL_SET, SERVICE], ids=lambda each: each["kind"])
def test_it_is_left_alone_until_it_is_gone(kube, make_agent, foreign):
    kind = foreign["kind"].lower()
    kube.apply(foreign)
    before = kube.get(kind, "my-agent")

    agent = make_agent()
    degraded = agent.await_condition("Degraded", "True", "NameConflict")
    assert foreign["kind"] in degraded["message"] and "my-agent" in degraded["message"], degraded
    assert condition(agent.get(), "Ready")["status"] == "False"

    after = kube.get(kind, "my-agent")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert "ownerReferences" not in after["metadata"]

    kube.run("delete", kind, "my-agent")
    agent.await_ready()
    kube.wait("agent/my-agent", "condition=Degraded=False", 30)
