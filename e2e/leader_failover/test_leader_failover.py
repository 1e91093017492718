"""Two replicas run; one leads, and the other takes over when it is gone."""

import pytest

from support.waiting import wait_until


def kill(operator, leader) -> None:
    operator.delete_now(leader)


def ask(operator, leader) -> None:
    operator.kube.run("delete", "pod", leader["metadata"]["name"], "--wait=false")


@pytest.mark.parametrize("end", [kill, ask])
def test_the_other_one_takes_over_and_goes_on(operator, make_agent, end):
    leader = operator.leader()
    before = operator.holder()
    end(operator, leader)

    agent = make_agent(replicas=0)
    wait_until(lambda: operator.holder() not in ("", before), 60, f"a holder of the Lease other than {before}")
    agent.await_condition("Ready", "False", "Suspended")
    assert operator.leader()["metadata"]["uid"] != leader["metadata"]["uid"]
