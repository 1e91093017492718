"""Repeats of a request get the first answer, and what a caller does not wait for is not lost."""

import concurrent.futures
import contextlib
import json
import socket

import pytest

import handler
import runtime

RUN = "/agents/my-agent/run"


@pytest.fixture
def held():
    gate = handler.Gate()
    with contextlib.closing(handler.Handler(gate)) as one:
        one.open = gate.open
        yield one
        gate.open()


@pytest.fixture
def slow(start, held):
    """A daemon whose agent answers when `held.open()` is called."""
    daemon = start()
    assert daemon.call("POST", "/agents", held.manifest()).status == 201
    return daemon


def keyed(key, **more):
    return {"Idempotency-Key": key, **more}


def envelope(daemon, id, agent="my-agent"):
    return daemon.call("GET", f"/agents/{agent}/envelopes/{id}")


def ended(daemon, id, agent="my-agent"):
    """The outcome of an envelope, once it is over."""
    def over():
        outcome = envelope(daemon, id, agent).json
        return outcome if outcome.get("status") not in ("Queued", "Running", None) else None
    return runtime.wait_until(over, f"the end of {id}")


def test_a_repeat_gets_the_first_answer_and_runs_nothing(daemon):
    first = daemon.call("POST", RUN, "remember milk", keyed("k"))
    again = daemon.call("POST", RUN, "remember milk", keyed("k"))
    assert (first.status, again.status) == (200, 200)
    assert again.json == first.json and "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Agent-Tick-Id"] == first.headers["Agent-Tick-Id"]
    assert daemon.notes("my-agent") == ["milk"]


def test_another_body_or_type_under_the_key_is_a_conflict(daemon):
    daemon.call("POST", RUN, "remember milk", keyed("k"))
    for refused in (daemon.call("POST", RUN, "remember tea", keyed("k")),
                    daemon.call("POST", RUN, "remember milk", keyed("k", **{"Content-Type": "text/x"}))):
        assert (refused.status, refused.json["reason"]) == (409, "IdempotencyKeyReused")
    assert daemon.notes("my-agent") == ["milk"]


def test_a_key_is_one_senders_of_one_verb_and_agent(daemon):
    daemon.call("POST", "/agents", runtime.manifest("other"))
    for path, sender in ((RUN, {}), (RUN, {"Agent-Sender": "a"}), (RUN, {"Agent-Sender": "b"}),
                         ("/agents/my-agent/tick", {}), ("/agents/other/run", {})):
        answer = daemon.call("POST", path, "x", keyed("k", **sender))
        assert answer.status == 200 and "Idempotent-Replayed" not in answer.headers
    assert len(daemon.notes("my-agent")) == 4 and len(daemon.notes("other")) == 1


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_key_is_1_to_255_visible_characters(daemon, key):
    answer = daemon.call("POST", RUN, "x", {"Idempotency-Key": key.encode().decode("latin-1")})
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "Idempotency-Key")
    assert daemon.call("POST", RUN, "x", keyed("x" * 255)).status == 200


def test_permanent_failures_are_replayed_and_others_are_not(start, held):
    daemon = start("serve", "--run-timeout", "100ms")
    daemon.call("POST", "/agents", runtime.manifest())
    first = daemon.call("POST", RUN, "forget 9", keyed("k"))
    daemon.run("my-agent", "remember milk")
    again = daemon.call("POST", RUN, "forget 9", keyed("k"))
    # Run anew it would speak of one note.
    assert (first.status, again.status) == (400, 400)
    assert again.json["detail"] == first.json["detail"] and "0 notes" in again.json["detail"]

    daemon.call("POST", "/agents", held.manifest("slow", {"maxTickDuration": "100ms"}))
    late = daemon.call("POST", "/agents/slow/run", '"x"', keyed("k", **{"Content-Type": "application/json"}))
    assert (late.status, late.json["code"], late.json["retryable"]) == (504, "TIMEOUT", True)
    held.open()
    retried = daemon.call("POST", "/agents/slow/run", '"x"', keyed("k", **{"Content-Type": "application/json"}))
    assert (retried.status, retried.json["output"]) == (200, "x")


def test_a_repeat_in_flight_waits_for_the_first(slow, held):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = [pool.submit(slow.call, "POST", RUN, "x", keyed("k"))]
        held.wait_for(1)
        runs += [pool.submit(slow.call, "POST", RUN, "x", keyed("k")) for _ in range(3)]
        other = slow.call("POST", RUN, "y", keyed("k"))
        assert (other.status, other.json["reason"]) == (409, "IdempotencyKeyReused")
        held.open()
        answers = [run.result(runtime.PATIENCE) for run in runs]
    assert [answer.status for answer in answers] == [200] * 4
    assert all(answer.json == answers[0].json for answer in answers)
    assert len(held.ticks) == 1


def test_answers_are_replayed_after_a_crash(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    first = daemon.call("POST", RUN, "remember milk", keyed("k"))
    failed = daemon.call("POST", RUN, "forget 9", keyed("f"))
    daemon.kill()
    daemon = start()
    assert daemon.call("POST", RUN, "remember milk", keyed("k")).json == first.json
    assert daemon.call("POST", RUN, "forget 9", keyed("f")).json["detail"] == failed.json["detail"]
    assert daemon.notes("my-agent") == ["milk"]


def test_an_envelope_of_a_run_is_told_by_its_id(daemon):
    named = {"Agent-Envelope-Id": "order-17"}
    first = daemon.call("POST", RUN, "remember milk", named)
    assert first.status == 200 and first.json["envelopeId"] == "order-17"
    assert daemon.call("POST", RUN, "remember milk", named).json == first.json
    assert daemon.call("POST", RUN, "remember tea", named).status == 409
    numbered = {"Agent-Sender": "shop", "Agent-Seq": "7"}
    assert daemon.call("POST", RUN, "remember bread", numbered).status == 200
    assert daemon.call("POST", RUN, "remember bread", numbered).status == 200
    # One that was sent before is not run either: its outcome is the answer.
    daemon.call("POST", "/agents/my-agent/send", "remember jam", {"Agent-Envelope-Id": "order-18"})
    ended(daemon, "order-18")
    sent = daemon.call("POST", RUN, "remember jam", {"Agent-Envelope-Id": "order-18"})
    assert (sent.status, sent.json["output"]) == (200, "noted: jam")
    assert daemon.notes("my-agent") == ["milk", "bread", "jam"]


@pytest.mark.parametrize("headers", [
    {"Agent-Seq": "1"}, {"Agent-Seq": "0", "Agent-Sender": "s"}, {"Agent-Seq": "x", "Agent-Sender": "s"},
    {"Agent-Seq": "1.5", "Agent-Sender": "s"}, {"Agent-Sender": "a b"}, {"Agent-Sender": ""},
    {"Agent-Envelope-Id": "a b"}, {"Agent-Envelope-Id": "x" * 257}, {"Agent-Expires-At": "tomorrow"},
    {"Agent-Expires-At": "2020-01-01T00:00:00Z"}])
@pytest.mark.parametrize("verb", ["run", "send", "tick"])
def test_bad_headers_are_refused(daemon, verb, headers):
    answer = daemon.call("POST", f"/agents/my-agent/{verb}", "x", headers)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST")
    assert "must" in answer.json["errors"][0]["must"] or answer.json["errors"][0]["must"]
    assert daemon.call("GET", "/agents/my-agent/state").json is None


def test_a_caller_who_does_not_wait_is_told_where_the_outcome_will_be(slow, held):
    answer = slow.call("POST", RUN, "x", {"Prefer": "respond-async, wait=0"})
    assert answer.status == 202 and answer.headers["Preference-Applied"] == "respond-async, wait=0"
    id = answer.json["envelopeId"]
    assert answer.headers["Location"] == f"/namespaces/default/agents/my-agent/envelopes/{id}"
    assert slow.call("GET", answer.headers["Location"]).json["status"] == "Running"
    held.open()
    outcome = ended(slow, id)
    assert (outcome["status"], outcome["output"]) == ("Succeeded", "x")
    assert outcome["tickId"] == "t-000000000001" and outcome["usage"]["durationMs"] > 0
    assert outcome["acceptedAt"] <= outcome["finishedAt"]


def test_a_run_that_ends_within_the_wait_is_answered(daemon):
    answer = daemon.call("POST", RUN, "remember milk", {"Prefer": "wait=10"})
    assert (answer.status, answer.json["output"]) == (200, "noted: milk")
    for ignored in ("wait=x", "wait", "return=minimal", "wait=-1", ";,="):
        assert daemon.call("POST", RUN, "count", {"Prefer": ignored}).status == 200


def test_what_was_promised_outlives_the_process(start, held):
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    promised = [daemon.call("POST", RUN, str(i), {"Prefer": "wait=0"}).json["envelopeId"] for i in range(3)]
    daemon.kill()
    held.open()
    daemon = start()
    assert [ended(daemon, id)["output"] for id in promised] == ["0", "1", "2"]


def test_a_promise_under_a_key_is_kept_once(start, held):
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    first = daemon.call("POST", RUN, "x", keyed("k", Prefer="wait=0"))
    again = daemon.call("POST", RUN, "x", keyed("k", Prefer="wait=0"))
    assert (first.status, again.status) == (202, 202)
    assert again.json["envelopeId"] == first.json["envelopeId"]
    daemon.kill()
    daemon = start()
    pending = daemon.call("POST", RUN, "x", keyed("k", Prefer="wait=0"))
    assert (pending.status, pending.json["envelopeId"]) == (202, first.json["envelopeId"])
    assert daemon.call("POST", RUN, "y", keyed("k")).status == 409
    held.open()
    answer = daemon.call("POST", RUN, "x", keyed("k"))
    assert (answer.status, answer.json["envelopeId"]) == (200, first.json["envelopeId"])
    outcome = ended(daemon, first.json["envelopeId"])
    assert outcome["tickId"] == answer.json["tickId"]
    assert len({tick["tickId"] for tick in held.ticks}) == 1


def client_that_leaves(daemon, headers=""):
    client = socket.create_connection(("127.0.0.1", daemon.port))
    client.sendall(f"POST {RUN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n{headers}\r\nx".encode())
    return client


def test_a_caller_who_goes_away_ends_the_run(slow, held):
    client = client_that_leaves(slow)
    held.wait_for(1)
    client.close()
    runtime.wait_until(lambda: not slow.call("GET", "/agents/my-agent/status").json["running"], "the end of the run")
    held.open()
    assert slow.call("POST", RUN, "y").json["output"] == "y"
    failed = slow.call("GET", "/agents/my-agent/ticks").json["items"][-1]
    assert (failed["outcome"], failed["error"]["reason"]) == ("Failed", "CallerGone")


def test_a_caller_with_a_key_may_come_back(slow, held):
    client = client_that_leaves(slow, "Idempotency-Key: k\r\n")
    held.wait_for(1)
    client.close()
    held.open()
    answer = slow.call("POST", RUN, "x", keyed("k"))
    assert (answer.status, answer.json["output"]) == (200, "x")
    assert len(held.ticks) == 1


def events(answer):
    found = []
    for block in answer.body.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def stream(daemon, body, headers=None, path=RUN):
    return daemon.call("POST", path, body, {"Accept": "text/event-stream", **(headers or {})})


def test_a_run_can_be_read_along(start):
    def answer(tick):
        if tick["attempt"] == 1:
            return [("delta", {"text": "he"})]  # breaks off
        return [("delta", {"text": "hel"}), ("delta", {"text": "lo"}), ("result", {"reply": "hello"})]

    daemon = start()
    with contextlib.closing(handler.Handler(answer)) as one:
        daemon.call("POST", "/agents", one.manifest())
        answer = stream(daemon, "x")
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Accel-Buffering"] == "no"
        names = [name for name, _ in events(answer)]
        assert names == ["meta", "delta", "reset", "delta", "delta", "usage", "done"]
        said = [data for _, data in events(answer)]
        assert said[0] == {"tickId": "t-000000000001", "attempt": 1}
        assert (said[1], said[2], said[3], said[4]) == ({"text": "he"}, {"attempt": 2}, {"text": "hel"}, {"text": "lo"})
        assert (said[6]["output"], said[6]["tickId"], said[6]["usage"]) == ("hello", "t-000000000001", said[5])


def test_a_stream_ends_with_its_error_or_is_refused(daemon):
    assert [(name, data.get("problem", {}).get("code")) for name, data in events(stream(daemon, "forget 9"))] == \
        [("meta", None), ("error", "INVALID_REQUEST")]
    assert stream(daemon, "x", {"Agent-Seq": "1"}).status == 400
    assert stream(daemon, "x", path="/agents/nobody/run").status == 404


def test_a_stream_of_a_repeat_has_the_first_outcome(daemon):
    first = events(stream(daemon, "remember milk", keyed("k")))
    again = events(stream(daemon, "remember milk", keyed("k")))
    assert [name for name, _ in again] == ["meta", "usage", "done"] and again[-1] == first[-1]


def test_a_repeat_that_waits_in_the_queue_runs_nothing_again(start):
    gate, first = handler.Gate(), "remember milk"

    def answer(tick):
        payload = tick["trigger"]["envelope"]["payload"]
        return gate(tick) if payload == "slow" else {"reply": payload}

    daemon = start()
    with contextlib.closing(handler.Handler(answer)) as one, concurrent.futures.ThreadPoolExecutor() as pool:
        daemon.call("POST", "/agents", one.manifest())
        answered = daemon.call("POST", RUN, first, keyed("k"))
        slow = pool.submit(daemon.call, "POST", RUN, "slow")
        one.wait_for(2)
        again = pool.submit(daemon.call, "POST", RUN, first, keyed("k", Prefer="wait=0"))
        runtime.wait_until(lambda: daemon.call("GET", "/agents/my-agent/status").json["waiting"] == 1, "it to wait")
        gate.open()
        assert slow.result(runtime.PATIENCE).status == 200
        assert again.result(runtime.PATIENCE).json == answered.json
        assert daemon.call("POST", RUN, "last").status == 200
        assert [tick["trigger"]["envelope"]["payload"] for tick in one.ticks] == [first, "slow", "last"]
