"""Ticks, sleep and wake by hand."""

import contextlib

import handler
import runtime


def post(daemon, verb, body=b""):
    return daemon.call("POST", f"/agents/my-agent/{verb}", body)


def test_a_tick_is_a_run_by_hand(daemon):
    answer = post(daemon, "tick", "remember milk")
    assert (answer.status, answer.json["output"]) == (200, "noted: milk")
    assert daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]["trigger"] == "Manual"
    assert post(daemon, "tick").status == 200


def test_an_idle_agent_is_put_to_sleep_and_wakes_as_it_was(daemon):
    daemon.run("my-agent", "remember milk")
    asleep = runtime.wait_until(lambda: [one for one in [post(daemon, "hibernate")] if one.json["state"] == "Dormant"],
                                "sleep")[0]
    assert asleep.status == 200 and asleep.headers["Agent-Hibernate"] == "requested"
    assert post(daemon, "wake").json == {"state": "Awake"}
    assert daemon.run("my-agent", "list") == ["milk"]


def test_a_busy_agent_stays_awake(start):
    gate = handler.Gate()
    daemon = start()
    with contextlib.closing(handler.Handler(gate)) as one:
        daemon.call("POST", "/agents", one.manifest())
        post(daemon, "send", "x")
        one.wait_for(1)
        assert post(daemon, "hibernate").json == {"state": "Busy"}
        gate.open()


def test_a_handler_may_ask_for_sleep(start):
    daemon = start()
    with contextlib.closing(handler.Handler(lambda tick: {"reply": "good night", "hibernate": True})) as one:
        daemon.call("POST", "/agents", one.manifest())
        answer = post(daemon, "run", "x")
        assert (answer.json["output"], answer.headers["Agent-Hibernate"]) == ("good night", "requested")
        assert post(daemon, "run", "x").status == 200


def test_nothing_wakes_a_suspended_agent(daemon):
    daemon.call("PUT", "/agents/my-agent", runtime.manifest().replace("replicas: 1", "replicas: 0"))
    answer = post(daemon, "wake")
    assert (answer.status, answer.json["reason"]) == (409, "Suspended")
    assert post(daemon, "hibernate").status == 200
    for verb in ("wake", "hibernate", "tick"):
        assert daemon.call("POST", f"/agents/nobody/{verb}", b"").status == 404
