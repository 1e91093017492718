"""What users of other durable runtimes suffer from, each shown not to happen here."""

import contextlib
import itertools
import json
import threading
import time

import pytest

import handler
import logic
import runtime
from test_replay import ended

AGENT = "/agents/my-agent"
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def serve():
    """Starts handlers, and ends them after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda answer: stack.enter_context(contextlib.closing(handler.Handler(answer)))


def post(daemon, path, body):
    answer = daemon.call("POST", AGENT + path, json.dumps(body), JSON)
    assert answer.status < 300, answer
    return answer


def state(daemon):
    return daemon.call("GET", f"{AGENT}/state").json


def test_alarms_that_came_due_while_nothing_ran_fire_once(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    for number in range(20):
        post(daemon, "/alarms", {"name": f"a{number}", "in": "50ms", "payload": {"text": str(number)}})
    due = time.monotonic() + 0.1
    daemon.kill()
    runtime.wait_until(lambda: time.monotonic() > due, "all of them to be due")
    for _ in range(2):
        daemon = start()
        notes = runtime.wait_until(lambda: len(notes := daemon.notes("my-agent")) >= 20 and notes, "the reminders")
        assert sorted(notes) == sorted(f"reminder: {number}" for number in range(20))
        daemon.kill()


def test_an_alarm_that_its_own_tick_sets_to_now_is_not_lost(start, serve):
    def answer(tick):
        count = (tick["state"] or 0) + 1
        return {"state": count, "alarms": [{"set": {"name": "again", "in": "0s"}}] if count < 30 else []}

    daemon = start()
    daemon.call("POST", "/agents", serve(answer).manifest())
    daemon.run("my-agent", "go")
    runtime.wait_until(lambda: state(daemon) >= 10, "some of the alarms")
    daemon.kill()
    daemon = start()
    runtime.wait_until(lambda: state(daemon) == 30, "all of the alarms")
    assert daemon.call("GET", f"{AGENT}/alarms").json["items"] == []


def test_an_alarm_whose_handler_dies_with_the_process_runs_again(start, serve):
    gate = handler.Gate()
    held = serve(lambda tick: gate(tick) and None or {"state": tick["epoch"]})
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    post(daemon, "/alarms", {"name": "once", "in": "0s"})
    held.wait_for(1)
    assert [alarm["name"] for alarm in daemon.call("GET", f"{AGENT}/alarms").json["items"]] == ["once"]
    daemon.kill()
    gate.open()
    daemon = start()
    runtime.wait_until(lambda: state(daemon) == 2, "the alarm to run again")
    assert daemon.call("GET", f"{AGENT}/alarms").json["items"] == []
    assert len({tick["trigger"]["envelope"]["id"] for tick in held.ticks}) == 1


def test_what_is_stuck_can_be_thrown_out_and_the_rest_goes_on(start, serve):
    gate = handler.Gate()
    held = serve(lambda tick: gate(tick) if tick["trigger"]["envelope"]["payload"] == "stuck" else {"reply": "fine"})
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    headers = {"Agent-Sender": "shop"}
    stuck = daemon.call("POST", f"{AGENT}/send", "stuck", {**headers, "Agent-Seq": "1"}).json["envelopeId"]
    behind = daemon.call("POST", f"{AGENT}/send", "next", {**headers, "Agent-Seq": "2"}).json["envelopeId"]
    held.wait_for(1)
    assert daemon.call("DELETE", f"{AGENT}/envelopes/{stuck}").json["status"] == "Cancelled"
    assert ended(daemon, behind)["output"] == "fine"
    gate.open()


def test_work_that_takes_longer_than_every_back_off_is_not_begun_twice(start, serve):
    gate = handler.Gate()
    held = serve(gate)
    daemon = start()
    daemon.call("POST", "/agents", held.manifest(config={"retry": {"firstBackoff": "1ms", "maxBackoff": "1ms"}}))
    envelope = daemon.call("POST", f"{AGENT}/send", "work").json["envelopeId"]
    held.wait_for(1)
    for number in range(20):  # meanwhile it is looked at from all sides
        assert daemon.call("GET", f"{AGENT}/envelopes/{envelope}").json["status"] == "Running"
        post(daemon, "/alarms", {"name": "later", "in": f"{number + 1}h"})
    gate.open()
    assert ended(daemon, envelope)["output"] == "work"
    assert len(held.ticks) == 1


def test_what_was_done_before_an_approval_is_not_done_again_after_it(start, serve):
    done = []

    def answer(tick):
        context = logic.Context(tick)
        context.step("charge", "17", lambda: done.append(tick["epoch"]) or "charged")
        asked = context.call("POST", "approvals", {"name": "ship", "question": {"order": 17}}).json
        if asked["status"] == "Pending":
            return {}
        context.step("ship", "17", lambda: done.append("ship") or "shipped")
        return {"reply": asked["status"]}

    daemon = start()
    daemon.call("POST", "/agents", serve(answer).manifest())
    envelope = daemon.call("POST", f"{AGENT}/send", "buy").json["envelopeId"]
    [waits] = runtime.wait_until(lambda: daemon.call("GET", f"{AGENT}/approvals").json["items"], "the question")
    daemon.kill()
    daemon = start()
    assert daemon.call("GET", f"{AGENT}/approvals").json["items"] == [waits]
    post(daemon, f"/approvals/{waits['id']}", {"decision": "Approve"})
    outcome = runtime.wait_until(
        lambda: (found := daemon.call("GET", f"{AGENT}/envelopes/{envelope}").json)["status"] == "Succeeded" and found,
        "the order to be shipped")
    assert outcome["output"] == "Approved"
    assert done == [1, "ship"]


def test_no_crash_in_recovery_strands_or_doubles_what_waits(start, serve):
    daemon = start()
    counter = serve(lambda tick: {"state": [*(tick["state"] or []), tick["trigger"]["envelope"]["payload"]]})
    daemon.call("POST", "/agents", counter.manifest())
    for number in range(200):
        daemon.call("POST", f"{AGENT}/send", str(number))
    for seen in (20, 60, 100):
        daemon.kill()
        daemon = start()
        runtime.wait_until(lambda least=seen: len(state(daemon) or []) >= least, "some of it")
    runtime.wait_until(lambda: len(state(daemon)) >= 200, "all of it")
    assert sorted(state(daemon), key=int) == [str(number) for number in range(200)]


def test_memory_stays_bounded_by_what_may_wait_also_after_a_crash(start, serve):
    daemon = start()
    gate = handler.Gate()
    held = serve(gate)
    daemon.call("POST", "/agents", held.manifest(config={"inbox": {"capacity": 10_000}}))
    connection = daemon.connect()
    while (answer := daemon.call("POST", f"{AGENT}/send", "x" * 100_000, connection=connection)).status == 202:
        pass
    connection.close()
    assert (answer.status, answer.json["code"]) == (429, "RATE_LIMITED")
    daemon.kill()
    daemon = start()
    held.wait_for(2)
    memory = resident(daemon)
    gate.open()
    assert memory < 256 * 1024 * 1024, f"{memory} bytes are resident"


def resident(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def test_a_changed_handler_under_half_done_work_is_told_by_the_name_of_the_step(start, serve):
    versions = itertools.count()

    def answer(tick):
        logic.Context(tick).step("charge", str(next(versions)), lambda: "receipt")
        return 503, {}

    daemon = start()
    daemon.call("POST", "/agents", serve(answer).manifest(config={"retry": {"firstBackoff": "1ms"}}))
    envelope = daemon.call("POST", f"{AGENT}/send", "order").json["envelopeId"]
    outcome = ended(daemon, envelope)
    assert (outcome["status"], outcome["error"]["reason"]) == ("DeadLettered", "NonDeterministic")
    assert '"charge"' in outcome["error"]["detail"] and "input has changed" in outcome["error"]["detail"]


def test_a_doomed_call_is_made_once(start, serve):
    refusing = serve(lambda tick: (422, {"detail": "no such order"}))
    daemon = start()
    daemon.call("POST", "/agents", refusing.manifest())
    answer = daemon.call("POST", f"{AGENT}/run", "order 17")
    assert answer.status == 502 and "no such order" in answer.json["detail"] and not answer.json["retryable"]
    assert len(refusing.ticks) == 1


def test_an_effect_that_nobody_takes_is_given_up_and_its_agent_told(start, serve):
    closed = runtime.free_port()
    effect = {"key": "hook-1", "maxAge": "1s", "http": {"method": "POST", "url": f"http://127.0.0.1:{closed}/", "body": {}}}
    told, failed = threading.Event(), []

    def answer(tick):
        if tick["trigger"]["type"] != "Event":
            return {"effects": [effect]}
        failed.append(tick["trigger"]["envelope"]["payload"])
        told.set()
        return {}

    daemon = start()
    daemon.call("POST", "/agents", serve(answer).manifest())
    daemon.run("my-agent", "go")
    assert told.wait(runtime.PATIENCE)
    assert (failed[0]["effect"], failed[0]["outcome"]) == ("hook-1", "Failed") and failed[0]["attempts"] >= 2
