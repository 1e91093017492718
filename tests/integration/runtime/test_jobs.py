"""Jobs of the real process: accepted, run, cancelled, told about, and never lost by kill -9."""

import hashlib
import hmac
import http.server
import json
import threading

import pytest

import logic
import runtime

JOBS = "/agents/my-agent/jobs"


class Receiver:
    """Takes callbacks; refuses the first `failures` of them."""

    def __init__(self, failures=0):
        self.calls = []
        receiver = self

        class Exchange(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((dict(self.headers), body))
                self.send_response(503 if len(receiver.calls) <= failures else 204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def closing():
    """Closes what the test gives to it."""
    opened = []
    yield lambda one: opened.append(one) or one
    for one in opened:
        one.close()


def submit(daemon, body, **headers):
    return daemon.call("POST", JOBS, json.dumps(body), headers)


def job(daemon, key):
    return daemon.call("GET", f"{JOBS}/{key}").json


def wait_for(daemon, key, status):
    return runtime.wait_until(lambda: (lambda one: one["status"] == status and one)(job(daemon, key)), f"{key} {status}")


def test_a_job_runs_and_says_what_came_of_it(daemon):
    accepted = submit(daemon, {"input": {"text": "remember milk"}, "ttl": "1h"})
    assert accepted.status == 202
    assert accepted.headers["Location"] == f"/namespaces/default/agents/my-agent/jobs/{accepted.json['id']}"
    done = wait_for(daemon, accepted.json["id"], "Succeeded")
    assert (done["output"], done["ticks"]) == ("noted: milk", 1)
    assert done["createdAt"] <= done["startedAt"] <= done["finishedAt"] < done["expiresAt"]
    assert [one["id"] for one in daemon.call("GET", f"{JOBS}?status=Succeeded").json["items"]] == [done["id"]]
    assert daemon.call("GET", f"{JOBS}?status=Queued").json["items"] == []


def test_a_job_that_fails_says_why(daemon):
    key = submit(daemon, {"input": 7}).json["id"]
    failed = wait_for(daemon, key, "Failed")
    assert failed["error"]["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("body, words", [
    ({}, "input"), ({"input": 1, "ttl": "0s"}, "ttl"), ({"input": 1, "deadline": "soon"}, "deadline"),
    ({"input": 1, "deadline": "2020-01-01T00:00:00Z"}, "deadline"), ({"input": 1, "callback": {}}, "callback.url"),
    ({"input": 1, "callback": {"url": "file:///etc/passwd"}}, "callback.url"),
    ({"input": 1, "callback": {"url": "http://x", "secretRef": {"name": "..", "key": "k"}}}, "secretRef.name"),
    ({"input": 1, "isolation": "Isolated"}, "isolation"), ({"input": 1, "more": 2}, "more")])
def test_what_is_no_job_is_refused(daemon, body, words):
    answer = submit(daemon, body)
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST"), answer
    assert words in answer.json["detail"]


def test_an_idempotency_key_makes_one_job(daemon):
    first = submit(daemon, {"input": "a"}, **{"Idempotency-Key": "k"})
    assert submit(daemon, {"input": "a"}, **{"Idempotency-Key": "k"}).json == first.json
    other = submit(daemon, {"input": "b"}, **{"Idempotency-Key": "k"})
    assert (other.status, other.json["reason"]) == (409, "IdempotencyKeyReused")
    wait_for(daemon, first.json["id"], "Succeeded")
    assert daemon.notes("my-agent") == ["a"]


def test_jobs_are_cancelled_where_they_are(daemon, closing):
    going, finish = threading.Event(), threading.Event()

    def tick(document):
        going.set()
        finish.wait(runtime.PATIENCE)
        return {"reply": "done", "state": {"changed": True}}

    handler = closing(logic.Logic(tick))
    assert daemon.call("PUT", "/agents/my-agent", logic.manifest("my-agent", handler.port)).status == 200
    running, queued = (submit(daemon, {"input": i}).json["id"] for i in range(2))
    assert going.wait(runtime.PATIENCE)
    assert (job(daemon, running)["status"], job(daemon, queued)["status"]) == ("Running", "Queued")
    answers = [daemon.call("DELETE", f"{JOBS}/{key}") for key in (queued, running)]
    finish.set()
    assert [(answer.status, answer.json["status"]) for answer in answers] == [(200, "Cancelled")] * 2
    assert daemon.call("DELETE", f"{JOBS}/{running}").status == 200
    assert daemon.call("DELETE", f"{JOBS}/nothing").status == 404
    assert daemon.call("GET", "/agents/my-agent/state").json is None
    done = submit(daemon, {"input": 3}).json["id"]
    wait_for(daemon, done, "Succeeded")
    late = daemon.call("DELETE", f"{JOBS}/{done}")
    assert (late.status, late.json["reason"]) == (409, "TooLate")


def test_a_job_fails_at_its_deadline(daemon, closing):
    finish = threading.Event()
    handler = closing(logic.Logic(lambda document: finish.wait(runtime.PATIENCE) and {} or {}))
    daemon.call("PUT", "/agents/my-agent", logic.manifest("my-agent", handler.port))
    key = submit(daemon, {"input": 1, "deadline": "200ms"}).json["id"]
    failed = wait_for(daemon, key, "Failed")
    finish.set()
    assert (failed["error"]["code"], failed["error"]["reason"]) == ("TIMEOUT", "JobDeadline")


def test_a_job_that_goes_on_shows_its_progress_and_survives_kill_9(start, closing):
    steps = 12
    gate = threading.Semaphore(0)

    def tick(document):
        done = (document.get("state") or {"done": 0})["done"] + 1
        gate.acquire(timeout=runtime.PATIENCE)
        return {"state": {"done": done}, "reply": f"{done} of {steps}",
                "job": {"progress": {"done": done, "total": steps}, "continue": done < steps}}

    handler = closing(logic.Logic(tick))
    daemon = start()
    daemon.call("PUT", "/agents/my-agent", logic.manifest("my-agent", handler.port))
    key = submit(daemon, {"input": "count"}).json["id"]
    for i in range(3):
        for _ in range(3):
            gate.release()
        runtime.wait_until(lambda: job(daemon, key).get("progress", {}).get("done", 0) > 2 * i, "progress")
        daemon.kill()
        daemon = start()
    for _ in range(2 * steps):
        gate.release()
    done = wait_for(daemon, key, "Succeeded")
    assert (done["output"], done["progress"], done["ticks"]) == (f"{steps} of {steps}", {"done": steps, "total": steps}, steps)


def test_a_job_is_followed_until_it_is_over(daemon, closing):
    gate = threading.Semaphore(0)

    def tick(document):
        gate.acquire(timeout=runtime.PATIENCE)
        count = (document.get("state") or {"n": 0})["n"] + 1
        return {"state": {"n": count}, "job": {"progress": {"done": count}, "continue": count < 2}}

    handler = closing(logic.Logic(tick))
    daemon.call("PUT", "/agents/my-agent", logic.manifest("my-agent", handler.port))
    key = submit(daemon, {"input": 1}).json["id"]
    connection = daemon.connect()
    connection.request("GET", f"{JOBS}/{key}/events")
    stream = connection.getresponse()
    assert stream.headers["Content-Type"] == "text/event-stream"
    events = []
    while True:
        event = {}
        while line := stream.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            if name:
                event[name] = value
        if not event:
            if not stream.isclosed() and not stream.closed:
                continue
            break
        events.append((event["event"], json.loads(event["data"]), event["id"]))
        if event["event"] == "done":
            break
        gate.release()
    connection.close()
    assert [name for name, _, _ in events][-1] == "done" and len(events) >= 2
    assert events[-1][1]["status"] == "Succeeded" and events[-1][1]["ticks"] == 2
    assert daemon.call("GET", f"{JOBS}/nothing/events").status == 404


def test_a_callback_is_signed_repeated_and_always_the_same(start, closing, tmp_path):
    receiver = closing(Receiver(failures=2))
    secret = tmp_path / "data" / "secrets" / "hook" / "key"
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    secret.parent.mkdir(parents=True, exist_ok=True)
    secret.write_text("hunter2\n")
    key = submit(daemon, {"input": "x", "callback": {"url": receiver.url, "secretRef": {"name": "hook", "key": "key"}}}).json["id"]
    runtime.wait_until(lambda: len(receiver.calls) >= 3, "the callback that is taken")
    shown = job(daemon, key)
    for headers, body in receiver.calls:
        assert json.loads(body) == shown
        signed = headers["Agent-Timestamp"].encode() + b"." + body
        expected = "v1=" + hmac.new(b"hunter2", signed, hashlib.sha256).hexdigest()
        assert headers["Agent-Signature"] == expected
    assert len({headers["Idempotency-Key"] for headers, _ in receiver.calls}) == 1


def test_kill_9_loses_no_job_and_runs_none_twice(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    keys = []
    for cycle in range(4):
        for i in range(15):
            keys.append((submit(daemon, {"input": f"remember {cycle}.{i}"}).json["id"], f"{cycle}.{i}"))
        daemon.kill()
        daemon = start()
    for key, _ in keys:
        wait_for(daemon, key, "Succeeded")
    assert sorted(daemon.notes("my-agent")) == sorted(text for _, text in keys)
