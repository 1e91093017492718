"""`whenDeleted` decides what becomes of the disk; everything else goes with the agent."""

from support.waiting import wait_until


def delete(agent) -> None:
    agent.kube.run("delete", "agent", agent.name)
    agent.await_no_pod()
    for kind in ("statefulset", "service"):
        agent.kube.wait(f"{kind}/{agent.name}", "delete", 30)


def test_a_retained_disk_gives_its_notes_to_the_next_agent_of_that_name(make_agent, client):
    agent = make_agent(storage={"size": "128Mi", "whenDeleted": "Retain"})
    agent.await_ready()
    client.tell("my-agent", "remember the first one")

    delete(agent)
    kept = agent.kube.get("persistentvolumeclaim", agent.claim)
    assert "deletionTimestamp" not in kept["metadata"]

    make_agent(storage={"size": "128Mi", "whenDeleted": "Retain"}).await_ready()
    assert agent.kube.get("persistentvolumeclaim", agent.claim)["metadata"]["uid"] == kept["metadata"]["uid"]
    assert client.notes("my-agent") == ["the first one"]


def test_a_disk_that_is_not_retained_goes_with_the_agent(make_agent, client):
    agent = make_agent(storage={"size": "128Mi", "whenDeleted": "Delete"})
    agent.await_ready()
    client.tell("my-agent", "remember nothing")
    volume = agent.kube.get("persistentvolumeclaim", agent.claim)["spec"]["volumeName"]

    delete(agent)
    agent.kube.wait(f"persistentvolumeclaim/{agent.claim}", "delete", 60)
    wait_until(lambda: agent.kube.find("persistentvolume", volume) is None, 60, f"volume {volume} gone")

    make_agent(storage={"size": "128Mi", "whenDeleted": "Delete"}).await_ready()
    assert client.notes("my-agent") == []


def test_whendeleted_may_change_while_the_agent_lives(make_agent):
    agent = make_agent(storage={"size": "128Mi", "whenDeleted": "Retain"})
    agent.await_ready()
    make_agent(storage={"size": "128Mi", "whenDeleted": "Delete"})
    agent.kube.wait("agent/my-agent", "jsonpath={.status.observedGeneration}=2", 30)

    delete(agent)
    agent.kube.wait(f"persistentvolumeclaim/{agent.claim}", "delete", 60)
