"""Handlers in other processes: what they can do, and what they can break, which is their tick."""

import itertools
import json
import shutil
import sys
import threading
import time

import pytest

import logic
import runtime

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.fixture
def serve():
    """Starts handlers, and ends them after the test."""
    started = []

    def start_one(tick):
        started.append(logic.Logic(tick))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


@pytest.fixture
def daemon(start):
    return start()


def create(daemon, handler, name="my-agent", **options):
    answer = daemon.call("PUT", f"/agents/{name}", logic.manifest(name, handler.port, **options))
    assert answer.status in (200, 201), answer


def payload(document):
    return document["trigger"]["envelope"]["payload"]


@pytest.mark.parametrize("program, name", [(sys.executable, "counter.py"), ("node", "counter.mjs")])
def test_an_example_counts_remembers_and_reminds(start, program, name):
    if not shutil.which(program):
        pytest.skip(f"there is no {program} here")
    example = logic.Example(program, name)
    try:
        daemon = start()
        create(daemon, example)
        assert daemon.run("my-agent", "milk") == "1: milk"
        assert daemon.run("my-agent", "eggs") == "2: eggs"
        assert daemon.call("GET", "/agents/my-agent/state").json == {"count": 2}
        assert daemon.call("GET", "/agents/my-agent/kv/last").json == "eggs"
        assert daemon.run("my-agent", "remind me") == "3: remind me"
        runtime.wait_until(lambda: daemon.call("GET", "/agents/my-agent/state").json == {"count": 4}, "the alarm")
        assert daemon.call("GET", "/agents/my-agent/kv/last").json["payload"] == "the reminder"
        daemon.kill()
        assert start().run("my-agent", "bread") == "5: bread"
    finally:
        example.close()


def test_a_tick_document_says_who_why_and_until_when(daemon, serve):
    handler = serve(lambda document: {"state": {"seen": document["trigger"]["envelope"].get("payload")}})
    create(daemon, handler)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = daemon.call("POST", "/agents/my-agent/run", json.dumps({"text": "hi"}),
                         {"Content-Type": "application/json", "traceparent": trace})
    assert (answer.status, answer.json["output"]) == (200, None)
    daemon.call("POST", "/agents/my-agent/run", b"\xff\x00")
    first, second = handler.documents
    assert first["version"] == "v1"
    assert (first["agent"]["namespace"], first["agent"]["name"]) == ("default", "my-agent")
    assert (first["attempt"], first["epoch"], first["state"]) == (1, 1, None)
    assert first["trigger"]["type"] == "Request"
    assert payload(first) == {"text": "hi"}
    assert second["state"] == {"seen": {"text": "hi"}}
    assert second["trigger"]["envelope"]["payloadBase64"] == "/wA="
    assert first["tickId"] < second["tickId"]
    assert handler.headers[0]["traceparent"] == trace
    assert handler.headers[0]["Agent-Epoch"] == "1"


def test_an_http_handler_is_called_by_its_url(daemon, serve):
    handler = serve(lambda document: {"reply": payload(document)})
    manifest = logic.http_manifest("my-agent", f"http://127.0.0.1:{handler.port}/any/path")
    assert daemon.call("PUT", "/agents/my-agent", manifest).status == 201
    assert daemon.run("my-agent", "hello") == "hello"


def test_bytes_are_passed_through(daemon, serve):
    handler = serve(lambda document: {"replyBase64": "/wA=", "replyContentType": "image/png"})
    create(daemon, handler)
    answer = daemon.call("POST", "/agents/my-agent/run", "x")
    assert (answer.body, answer.headers["Content-Type"]) == (b"\xff\x00", "image/png")


def test_the_context_reads_what_is_stored_and_joins_the_write_set(daemon, serve):
    seen = []

    def tick(document):
        context = logic.Context(document)
        seen.append(context.call("GET", "kv/n"))
        assert context.call("PUT", "kv/n", payload(document).encode(), {"Content-Type": "text/plain"}).status == 204
        seen.append(context.call("GET", "kv/n"))
        seen.append(context.call("GET", "kv?prefix=n"))
        assert context.call("GET", "status").json["cancelled"] is False
        if payload(document) == "bad":
            raise logic.Raw(b"HTTP/1.1 422 No\r\nContent-Length: 21\r\n\r\n{\"detail\": \"no more\"}")
        return {"reply": "ok"}

    create(daemon, serve(tick))
    assert daemon.run("my-agent", "one") == "ok"
    assert (seen[0].status, seen[1].body) == (404, b"one")
    assert seen[2].json == {"items": [{"key": "n", "bytes": 3, "contentType": "text/plain"}]}
    refused = daemon.call("POST", "/agents/my-agent/run", "bad")
    assert refused.json["code"] == "RUNTIME_ERROR" and "no more" in refused.json["detail"]
    # Nothing of a tick that failed is there.
    assert daemon.call("GET", "/agents/my-agent/kv/n").body == b"one"


def test_a_token_is_dead_after_its_tick(daemon, serve):
    handler = serve(lambda document: {"reply": logic.Context(document).call("GET", "status").status})
    create(daemon, handler)
    assert daemon.run("my-agent", "x") == 200
    late = logic.Context(handler.documents[0]).call("PUT", "kv/late", b"x")
    assert (late.status, late.json["code"]) == (401, "UNAUTHENTICATED")
    assert daemon.call("GET", "/agents/my-agent/kv/late").status == 404


def test_a_handler_that_hangs_costs_its_tick_and_runs_again(daemon, serve):
    over = threading.Event()
    attempts = itertools.count(1)

    def tick(document):
        if next(attempts) == 1:
            over.wait(runtime.PATIENCE)
        return {"reply": document["attempt"]}

    create(daemon, serve(tick), duration="1s")
    create(daemon, serve(lambda document: {"reply": "quick"}), name="other")
    pending = threading.Thread(target=lambda: results.append(daemon.call("POST", "/agents/my-agent/run", "x")))
    results = []
    pending.start()
    assert daemon.run("other", "x") == "quick"  # meanwhile
    pending.join(runtime.PATIENCE)
    over.set()
    assert (results[0].status, results[0].json["output"]) == (200, 2)


@pytest.mark.parametrize("broken", [
    b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", STREAM + b"event: delta\ndata: {\"text\": \"x\"}\n\n"])
def test_what_may_be_different_the_next_time_is_retried(daemon, serve, broken):
    def tick(document):
        if document["attempt"] == 1:
            raise logic.Raw(broken)
        return {"reply": document["attempt"]}

    create(daemon, serve(tick))
    assert daemon.run("my-agent", "x") == 2


@pytest.mark.parametrize("garbage", [
    b"220 smtp ready\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n{\"kv\": [{\"put\": 1}]}", STREAM + b"event: result\ndata: ?\n\n",
    STREAM + b"event: delta\ndata: \"\"\n\n"])
def test_what_breaks_the_protocol_fails_its_tick_alone(daemon, serve, garbage):
    def tick(document):
        if payload(document) == "break":
            raise logic.Raw(garbage)
        return {"reply": "good"}

    create(daemon, serve(tick))
    answer = daemon.call("POST", "/agents/my-agent/run", "break")
    assert answer.status == 502, answer
    assert (answer.json["code"], answer.json["reason"]) == ("RUNTIME_ERROR", "BadAnswer")
    assert daemon.run("my-agent", "x") == "good"


def test_a_flood_is_cut_off(daemon, serve):
    def tick(document):
        flood = {"plain": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(32 * 1024 * 1024),
                 "line": STREAM + b"data: " + bytes(32 * 1024 * 1024),
                 "events": STREAM + b"event: x\ndata: 1\n\n" * 200_000,
                 "logs": STREAM + b"event: log\ndata: {\"text\": \"%s\"}\n\n" % (b"x" * 1000) * 10_000 +
                         b"event: result\ndata: {\"reply\": \"logged\"}\n\n"}.get(payload(document))
        if flood:
            raise logic.Raw(flood)
        return {"reply": "good"}

    create(daemon, serve(tick))
    for kind in ("plain", "line", "events"):
        answer = daemon.call("POST", "/agents/my-agent/run", kind)
        assert (answer.status, answer.json["code"]) == (502, "RUNTIME_ERROR"), (kind, answer)
    assert daemon.run("my-agent", "logs") == "logged"
    assert daemon.run("my-agent", "x") == "good"


def test_deltas_are_shown_as_they_come(daemon, serve):
    shown = threading.Event()

    def tick(document):
        context = logic.Context(document)
        assert context.call("POST", "delta", {"text": "by the context"}).status == 204
        assert shown.wait(runtime.PATIENCE)
        raise logic.Raw(STREAM + b"event: delta\ndata: {\"text\": \"streamed\"}\n\n"
                        b"event: log\ndata: {\"level\": \"info\", \"text\": \"kept\"}\n\n"
                        b"event: result\ndata: {\"reply\": \"all\", \"state\": 1}\n\nevent: delta\ndata: late\n\n")

    create(daemon, serve(tick))
    connection = daemon.connect()
    connection.request("POST", "/agents/my-agent/run", b"x", {"Accept": "text/event-stream"})
    response = connection.getresponse()
    events = []
    name = None
    for line in response:
        if line.startswith(b"event:"):
            name = line.removeprefix(b"event:").strip().decode()
        elif line.startswith(b"data:"):
            events.append((name, json.loads(line.removeprefix(b"data:"))))
            if name == "delta":
                shown.set()
    connection.close()
    assert [data["text"] for name, data in events if name == "delta"] == ["by the context", "streamed"]
    assert events[-1][0] == "done" and events[-1][1]["output"] == "all"


def test_a_step_is_not_repeated_after_kill_9_in_mid_tick(start, serve):
    daemon = start()
    work = []
    stepped = threading.Event()

    def tick(document):
        context = logic.Context(document)
        result = context.step("charge", payload(document), lambda: work.append(document["epoch"]) or "receipt-1")
        if document["epoch"] == 1:
            stepped.set()
            time.sleep(runtime.PATIENCE)  # the runtime is killed before
        return {"reply": result, "state": {"receipt": result, "epoch": document["epoch"]}}

    create(daemon, serve(tick))
    accepted = daemon.call("POST", "/agents/my-agent/send", "order 1")
    assert accepted.status == 202, accepted
    assert stepped.wait(runtime.PATIENCE)
    daemon.kill()
    daemon = start()
    state = runtime.wait_until(lambda: daemon.call("GET", "/agents/my-agent/state").json, "the tick to run again")
    assert state == {"receipt": "receipt-1", "epoch": 2}
    assert work == [1]


def test_a_step_of_another_input_parks_its_envelope(daemon, serve):
    def tick(document):
        context = logic.Context(document)
        context.step("charge", str(document["attempt"]), lambda: "receipt")
        raise logic.Raw()

    create(daemon, serve(tick))
    answer = daemon.call("POST", "/agents/my-agent/run", "x")
    assert answer.json["reason"] == "NonDeterministic", answer


def test_an_effect_is_awaited_and_done_once(daemon, serve):
    charged = []
    till = serve(lambda document: charged.append(document) or {"receipt": len(charged)})

    def tick(document):
        outcome = logic.Context(document).call("POST", "effects", {
            "key": "charge-17", "http": {"url": f"http://127.0.0.1:{till.port}/charge", "body": {"amount": 3}}})
        if document["attempt"] == 1:
            raise logic.Raw()  # the effect stands
        return {"reply": outcome.json}

    create(daemon, serve(tick))
    outcome = daemon.run("my-agent", "x")
    assert (outcome["delivered"], outcome["status"]) == (True, 200)
    assert json.loads(outcome["body"]) == {"receipt": 1}
    assert charged == [{"amount": 3}]
