"""kubectl scale puts an agent to sleep and wakes it; what it knows stays."""


def test_scaling_to_zero_and_back_keeps_the_notes(make_agent, client):
    agent = make_agent()
    agent.await_ready()
    client.tell("my-agent", "remember me")

    agent.kube.run("scale", "agent/my-agent", "--replicas=0")
    agent.await_condition("Ready", "False", "Suspended")
    agent.await_no_pod()
    assert agent.kube.get("persistentvolumeclaim", agent.claim)["status"]["phase"] == "Bound"
    assert agent.get()["status"]["phase"] == "Suspended"
    agent.kube.wait("agent/my-agent", "jsonpath={.status.replicas}=0", 10)

    agent.kube.run("scale", "agent/my-agent", "--replicas=1")
    agent.await_ready()
    assert client.notes("my-agent") == ["me"]
    assert agent.get()["status"]["replicas"] == 1


def test_an_agent_that_begins_suspended_has_no_pod_until_it_is_scaled(make_agent):
    agent = make_agent(replicas=0)
    agent.await_condition("Ready", "False", "Suspended")
    agent.kube.wait("statefulset/my-agent", "create", 10)
    assert agent.pods() == []

    agent.kube.run("scale", "agent/my-agent", "--replicas=1")
    agent.await_ready()


def test_more_than_one_replica_is_refused(make_agent):
    agent = make_agent(replicas=0)
    refused = agent.kube.try_run("scale", "agent/my-agent", "--replicas=2")
    assert refused.returncode != 0
    assert "should be less than or equal to 1" in refused.stderr
