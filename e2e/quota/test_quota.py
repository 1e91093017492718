"""A quota that forbids the agent's pod shows in the agent, not only in somebody's events."""

from support.waiting import wait_until


def test_a_pod_that_the_quota_forbids_shows_in_a_condition(kube, make_agent):
    kube.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "no-pods"},
                "spec": {"hard": {"pods": "0"}}})
    kube.wait("resourcequota/no-pods", "jsonpath={.status.hard.pods}=0", 30)

    agent = make_agent()

    def quota_exceeded() -> list[dict]:
        conditions = (agent.get().get("status") or {}).get("conditions") or []
        return [each for each in conditions if each["reason"] == "QuotaExceeded"]

    found = wait_until(quota_exceeded, 60, "a condition with reason QuotaExceeded")
    assert any("no-pods" in each["message"] for each in found), found
    kube.wait("agent/my-agent", "condition=Ready=False", 10)

    kube.run("delete", "resourcequota", "no-pods")
    agent.await_ready(90)
