"""What an agent was told outlives its pod and its process."""


def test_two_notes_survive_the_deletion_of_the_pod(make_agent, client):
    agent = make_agent()
    agent.await_ready()
    client.tell("my-agent", "remember one")
    client.tell("my-agent", "remember two")

    old = agent.pod()["metadata"]["uid"]
    agent.kube.run("delete", "pod", "my-agent-0", "--wait=false")
    agent.await_new_pod(old)

    assert client.notes("my-agent") == ["one", "two"]


def test_an_acknowledged_note_survives_kill_9(make_agent, client, nodes):
    agent = make_agent()
    agent.await_ready()
    client.tell("my-agent", "remember this")

    nodes.kill(agent.pod())
    agent.kube.wait("pod/my-agent-0", "jsonpath={.status.containerStatuses[0].restartCount}=1")
    agent.kube.wait("pod/my-agent-0", "condition=Ready")
    agent.await_ready()

    assert client.notes("my-agent") == ["this"]
