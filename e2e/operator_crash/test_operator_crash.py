"""The operator may die at any moment: what it began is finished, and nothing is made twice."""

from support import agents
from support.agents import Agent
from support.waiting import wait_until

NAMES = [f"agent-{number:02}" for number in range(20)]
ALL_READY_SECONDS = 180


def test_twenty_agents_converge_although_it_is_killed_again_and_again(kube, operator, nodes):
    kube.apply(*(agents.manifest(name) for name in NAMES[:10]))
    kube.wait(f"statefulset/{NAMES[0]}", "create", 30)
    nodes.kill(operator.leader())
    kube.apply(*(agents.manifest(name) for name in NAMES[10:]))
    wait_until(lambda: len(kube.list("statefulsets")) > 10, 60, "the operator at work again")
    operator.delete_now(*operator.pods())
    kube.apply(*(agents.manifest(name, config={"maxTickDuration": "20s"}) for name in NAMES[:5]))

    kube.run("wait", *(f"agent/{name}" for name in NAMES), "--for=condition=Ready",
             f"--timeout={ALL_READY_SECONDS}s", seconds=ALL_READY_SECONDS + 30)
    kube.run("wait", *(f"agent/{name}" for name in NAMES), "--for=condition=Progressing=False", "--timeout=120s",
             seconds=150)

    uids = {agent["metadata"]["name"]: agent["metadata"]["uid"] for agent in kube.list("agents")}
    assert sorted(uids) == NAMES
    for kind in ("statefulsets", "services"):
        owners = {each["metadata"]["name"]: [owner["uid"] for owner in each["metadata"]["ownerReferences"]]
                  for each in kube.list(kind)}
        assert owners == {name: [uid] for name, uid in uids.items()}
    assert sorted(claim["metadata"]["name"] for claim in kube.list("persistentvolumeclaims")) == \
        [Agent(kube, name).claim for name in NAMES]
    assert sorted(pod["metadata"]["name"] for pod in kube.list("pods")) == [f"{name}-0" for name in NAMES]
