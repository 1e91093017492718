"""What the operator writes to a real API server. There is no kubelet here: no pod ever starts."""

from __future__ import annotations

from support.kubectl import Kubectl
from support.waiting import wait_until

WRITES = ('rest_client_requests_total{code="200",method="PATCH"}', 'rest_client_requests_total{code="201",method="PATCH"}',
          'rest_client_requests_total{code="201",method="POST"}')


def agent(name: str = "my-agent", **spec: object) -> dict:
    return {"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}


def condition(kubectl: Kubectl, kind: str, name: str = "my-agent") -> dict:
    status = kubectl.get("agent", name).get("status", {})
    return next((each for each in status.get("conditions", []) if each["type"] == kind), {})


def wait_for_reason(kubectl: Kubectl, kind: str, reason: str, name: str = "my-agent") -> None:
    wait_until(lambda: condition(kubectl, kind, name).get("reason") == reason, 20, f"condition {kind} of {name} says {reason}")


def wait_quiet(operator) -> None:
    """No reconcile is waiting or under way."""
    wait_until(lambda: operator.metric("workqueue_unfinished_work_seconds") == 0 and
               operator.metric("controller_runtime_reconcile_total") > 0, 20, "no work left")


def test_an_agent_gets_its_children_and_a_status(kubectl, start_operator):
    start_operator()
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Ready", "PodPending")
    stateful = kubectl.get("statefulset", "my-agent")
    service = kubectl.get("service", "my-agent")
    owner = {"kind": "Agent", "name": "my-agent", "uid": kubectl.get("agent", "my-agent")["metadata"]["uid"]}
    for child in (stateful, service):
        assert owner.items() <= child["metadata"]["ownerReferences"][0].items()
    managers = kubectl.run("get", "statefulset,service", "--show-managed-fields",
                           "--output=jsonpath={.items[*].metadata.managedFields[*].manager}")
    assert set(managers.split()) == {"openagents-operator"}
    assert stateful["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    events = kubectl.list("events.events.k8s.io")
    assert [event["reason"] for event in events] == ["Created"]


def test_an_operator_that_starts_again_writes_nothing(kubectl, start_operator):
    first = start_operator()
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Ready", "PodPending")
    assert first.stop() == 0
    before = [kubectl.get(kind, "my-agent")["metadata"]["resourceVersion"] for kind in ("agent", "statefulset", "service")]
    second = start_operator()
    wait_quiet(second)
    assert sum(second.metric(write) for write in WRITES) == 0
    after = [kubectl.get(kind, "my-agent")["metadata"]["resourceVersion"] for kind in ("agent", "statefulset", "service")]
    assert after == before


def test_children_that_somebody_removes_or_changes_come_back(kubectl, start_operator):
    start_operator()
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Ready", "PodPending")
    kubectl.run("delete", "service", "my-agent", "--wait=false")
    wait_until(lambda: kubectl.find("service", "my-agent"), 20, "the Service is back")
    kubectl.run("scale", "statefulset", "my-agent", "--replicas=0")
    wait_until(lambda: kubectl.get("statefulset", "my-agent")["spec"]["replicas"] == 1, 20, "the StatefulSet has 1 replica")


def test_scaling_an_agent_to_zero_suspends_it(kubectl, start_operator):
    start_operator()
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Ready", "PodPending")
    kubectl.run("scale", "agent", "my-agent", "--replicas=0")
    wait_for_reason(kubectl, "Ready", "Suspended")
    assert kubectl.get("statefulset", "my-agent")["spec"]["replicas"] == 0
    kubectl.run("scale", "agent", "my-agent", "--replicas=1")
    wait_until(lambda: kubectl.get("statefulset", "my-agent")["spec"]["replicas"] == 1, 20, "the StatefulSet has 1 replica")


def test_a_foreign_object_of_the_same_name_is_left_alone(kubectl, start_operator):
    foreign = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "my-agent"}, "spec": {"ports": [{"port": 7}]}}
    kubectl.apply(foreign)
    before = kubectl.get("service", "my-agent")
    start_operator()
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Degraded", "NameConflict")
    assert kubectl.get("service", "my-agent") == before
    assert kubectl.find("statefulset", "my-agent") is None


def test_an_operator_killed_at_work_is_continued_by_the_next(kubectl, start_operator):
    names = [f"a{number}" for number in range(20)]
    operator = start_operator()
    kubectl.apply(*[agent(name) for name in names])
    wait_until(lambda: kubectl.list("statefulsets"), 20, "the work has begun", interval=0.01)
    operator.kill()
    start_operator()
    for kind in ("statefulsets", "services"):
        wait_until(lambda kind=kind: {each["metadata"]["name"] for each in kubectl.list(kind)} == set(names), 30,
                   f"every agent has its {kind}")
    for name in names:
        wait_for_reason(kubectl, "Ready", "PodPending", name)


def test_two_operators_have_one_leader_and_the_other_takes_over(kubectl, start_operator):
    flags = ("--leader-elect", f"--lease-namespace={kubectl.namespace}")
    first = start_operator(*flags, "--identity=first")
    leads = 'leader_election_master_status{name="openagents-operator"}'
    wait_until(lambda: first.metric(leads) == 1, 20, "the first leads")
    second = start_operator(*flags, "--identity=second")
    kubectl.apply(agent())
    wait_for_reason(kubectl, "Ready", "PodPending")
    assert second.metric(leads) == 0
    assert sum(second.metric(write) for write in WRITES) == 0
    assert first.stop() == 0
    wait_until(lambda: second.metric(leads) == 1, 20, "the second leads")
    kubectl.apply(agent("later"))
    wait_for_reason(kubectl, "Ready", "PodPending", "later")
