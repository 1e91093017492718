"""Approvals of the real process: an agent that asks people, and is killed while it waits."""

import json

import pytest

import logic
import runtime

APPROVALS = "/agents/my-agent/approvals"


def pay(document):
    """Asks before it pays, and replies with the decision."""
    context = logic.Context(document)
    answer = context.call("POST", "approvals", {"name": "pay", "question": {"euro": 500}, "expiresIn": "1h"}).json
    if answer["status"] == "Pending":
        return {}
    return {"reply": [answer["status"], answer.get("note", "")]}


@pytest.fixture
def asking(start):
    """A daemon whose my-agent asks."""
    handler = logic.Logic(pay)
    daemon = start()
    assert daemon.call("PUT", "/agents/my-agent", logic.manifest("my-agent", handler.port)).status == 201
    yield daemon
    handler.close()


def pending(daemon):
    return daemon.call("GET", APPROVALS).json["items"]


def wait_for_question(daemon):
    runtime.wait_until(lambda: len(pending(daemon)) == 1, "the question")
    return pending(daemon)[0]


def decide(daemon, key, decision, note=None):
    body = {"decision": decision, **({"note": note} if note else {})}
    return daemon.call("POST", f"{APPROVALS}/{key}", json.dumps(body), {"Agent-Sender": "ada"})


def wait_for_outcome(daemon, envelope, output):
    path = f"/agents/my-agent/envelopes/{envelope}"
    runtime.wait_until(lambda: daemon.call("GET", path).json.get("output") == output, f"{envelope} to be {output}")


def test_an_agent_asks_waits_and_goes_on(asking):
    assert asking.call("POST", "/agents/my-agent/send", "x", {"Agent-Envelope-Id": "m1"}).status == 202
    question = wait_for_question(asking)
    assert (question["name"], question["question"], question["status"]) == ("pay", {"euro": 500}, "Pending")
    assert question["envelopeId"] == "m1"
    runtime.wait_until(lambda: asking.call("GET", "/agents/my-agent/envelopes/m1").json["status"] == "Waiting", "Waiting")
    decided = decide(asking, question["id"], "Approve", "go")
    assert decided.status == 200
    assert (decided.json["status"], decided.json["note"], decided.json["decidedBy"]) == ("Approved", "go", "ada")
    wait_for_outcome(asking, "m1", ["Approved", "go"])
    assert pending(asking) == []
    assert decide(asking, question["id"], "Approve", "go").status == 200
    again = decide(asking, question["id"], "Deny")
    assert (again.status, again.json["reason"]) == (409, "Decided")


def test_a_run_that_asks_is_told_where_its_outcome_will_be(asking):
    answer = asking.call("POST", "/agents/my-agent/run", "x")
    assert answer.status == 202, answer
    location = answer.headers["Location"]
    assert decide(asking, wait_for_question(asking)["id"], "Deny").status == 200
    runtime.wait_until(lambda: asking.call("GET", location).json.get("output") == ["Denied", ""], "the outcome")


def test_a_job_that_asks_can_be_decided_or_cancelled(asking):
    jobs = [asking.call("POST", "/agents/my-agent/jobs", '{"input": 1}').json["id"]]
    decide(asking, wait_for_question(asking)["id"], "Approve")
    path = f"/agents/my-agent/jobs/{jobs[0]}"
    runtime.wait_until(lambda: asking.call("GET", path).json["status"] == "Succeeded", "the job")
    jobs.append(asking.call("POST", "/agents/my-agent/jobs", '{"input": 1}').json["id"])
    wait_for_question(asking)
    assert asking.call("DELETE", f"/agents/my-agent/jobs/{jobs[1]}").json["status"] == "Cancelled"
    assert pending(asking) == []


@pytest.mark.parametrize("body", ["{}", '{"decision": "Maybe"}', '{"decision": "Approve", "why": 1}', "x"])
def test_what_is_no_decision_is_refused(asking, body):
    assert asking.call("POST", f"{APPROVALS}/x", body).json["code"] == "INVALID_REQUEST"
    assert decide(asking, "x", "Approve").json["code"] == "NOT_FOUND"
    assert asking.call("GET", f"{APPROVALS}?status=Maybe").json["code"] == "INVALID_REQUEST"


def test_a_question_and_its_decision_survive_kill_9(asking, start):
    daemon = asking
    for cycle in range(3):
        envelope = f"m{cycle}"
        assert daemon.call("POST", "/agents/my-agent/send", "x", {"Agent-Envelope-Id": envelope}).status == 202
        daemon.kill()  # before, while, or after it asks
        daemon = start()
        question = wait_for_question(daemon)
        daemon.kill()  # while it waits
        daemon = start()
        assert wait_for_question(daemon)["id"] == question["id"]
        assert decide(daemon, question["id"], "Approve").status == 200
        daemon.kill()  # before, while, or after it goes on
        daemon = start()
        wait_for_outcome(daemon, envelope, ["Approved", ""])
        assert pending(daemon) == []
