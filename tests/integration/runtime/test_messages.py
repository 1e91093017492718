"""Messages are processed once they are taken, or become dead letters; envelopes have outcomes."""

import contextlib
import datetime
import threading

import pytest

import handler
import runtime
from test_replay import ended, envelope, held, keyed, slow  # noqa: F401 (fixtures)

SEND = "/agents/my-agent/send"


def send(daemon, body, headers=None, agent="my-agent"):
    return daemon.call("POST", f"/agents/{agent}/send", body, headers or {})


def in_time(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


def letters(daemon):
    return daemon.call("GET", "/agents/my-agent/deadletters").json["items"]


def one_letter(daemon):
    return runtime.wait_until(lambda: letters(daemon), "a dead letter")[0]


def test_a_message_is_taken_and_then_processed(daemon):
    answer = send(daemon, "remember milk")
    assert answer.status == 202 and list(answer.json) == ["envelopeId"]
    assert answer.headers["Location"].endswith("/envelopes/" + answer.json["envelopeId"])
    outcome = ended(daemon, answer.json["envelopeId"])
    assert (outcome["status"], outcome["output"]) == ("Succeeded", "noted: milk")
    tick = daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]
    assert (tick["trigger"], tick["envelopeId"]) == ("Message", answer.json["envelopeId"])


def test_what_was_taken_is_processed_after_a_crash(start, held):
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    taken = [send(daemon, str(i)).json["envelopeId"] for i in range(5)]
    daemon.kill()
    held.open()
    daemon = start()
    # Nobody asks for the agent: what waits wakes it.
    runtime.wait_until(lambda: len({tick["tickId"] for tick in held.ticks}) >= 5, "the ticks")
    assert [ended(daemon, id)["output"] for id in taken] == ["0", "1", "2", "3", "4"]


def test_an_envelope_is_taken_once(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    named = {"Agent-Envelope-Id": "order/17"}
    assert send(daemon, "remember milk", named).json == {"envelopeId": "order/17"}
    assert send(daemon, "remember milk", named).json == {"envelopeId": "order/17", "duplicate": True}
    ended(daemon, "order%2F17")
    daemon.kill()
    daemon = start()
    again = send(daemon, "remember milk", named)
    assert (again.status, again.json) == (202, {"envelopeId": "order/17", "duplicate": True})
    assert daemon.call("GET", again.headers["Location"]).json["id"] == "order/17"
    assert daemon.notes("my-agent") == ["milk"]


def test_a_senders_numbers_rise(daemon):
    def numbered(seq, sender="shop", **more):
        return {"Agent-Sender": sender, "Agent-Seq": str(seq), **more}

    first = send(daemon, "remember 5", numbered(5))
    assert send(daemon, "remember 5", numbered(5)).json == {**first.json, "duplicate": True}
    assert send(daemon, "remember 4", numbered(4)).json["duplicate"] is True
    assert "duplicate" not in send(daemon, "remember 6", numbered(6)).json
    assert "duplicate" not in send(daemon, "remember 1", numbered(1, "other")).json
    runtime.wait_until(lambda: len(daemon.notes("my-agent")) == 3, "the notes")
    assert sorted(daemon.notes("my-agent")) == ["1", "5", "6"]


def test_a_key_replays_the_answer(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    first = send(daemon, "remember milk", keyed("k"))
    again = send(daemon, "remember milk", keyed("k"))
    assert again.json == {**first.json, "duplicate": True}
    daemon.kill()
    daemon = start()
    assert send(daemon, "remember milk", keyed("k")).json == again.json
    other = send(daemon, "remember tea", keyed("k"))
    assert (other.status, other.json["reason"]) == (409, "IdempotencyKeyReused")
    ended(daemon, first.json["envelopeId"])
    assert daemon.notes("my-agent") == ["milk"]


def test_repeats_at_the_same_time_are_taken_once(daemon):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(send(daemon, "remember milk", keyed("k"))))
               for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["envelopeId"] for answer in answers}) == 1
    assert sum("duplicate" not in answer.json for answer in answers) == 1
    ended(daemon, answers[0].json["envelopeId"])
    assert daemon.notes("my-agent") == ["milk"]


def test_messages_of_a_sender_stay_in_order(daemon):
    for i in range(50):
        assert send(daemon, f"remember {i}", {"Agent-Sender": "shop", "Agent-Seq": str(i + 1)}).status == 202
    runtime.wait_until(lambda: len(daemon.notes("my-agent")) == 50, "50 notes")
    assert daemon.notes("my-agent") == [str(i) for i in range(50)]


def test_nothing_is_taken_for_agents_that_cannot_run(daemon):
    assert send(daemon, "x", agent="nobody").status == 404
    assert send(daemon, "x", agent="No-Body").status == 400
    daemon.call("PUT", "/agents/my-agent", runtime.manifest().replace("replicas: 1", "replicas: 0"))
    suspended = send(daemon, "x")
    assert (suspended.status, suspended.json["reason"]) == (409, "Suspended")


@pytest.mark.parametrize("overflow", ["RejectNew", "DeadLetter", "DropOldest"])
def test_a_full_inbox_does_what_the_spec_says(start, held, overflow):
    daemon = start()
    daemon.call("POST", "/agents", held.manifest(config={"inbox": {"capacity": 2, "overflow": overflow}}))
    first = send(daemon, "0").json["envelopeId"]
    held.wait_for(1)
    waiting = [send(daemon, str(i)).json["envelopeId"] for i in (1, 2)]
    more = send(daemon, "3")
    if overflow == "RejectNew":
        assert (more.status, more.json["code"], more.json["reason"]) == (429, "RATE_LIMITED", "Overflow")
        dead = []
    else:
        assert more.status == 202
        dead = [more.json["envelopeId"] if overflow == "DeadLetter" else waiting[0]]
    held.open()
    for id in [first, *waiting]:
        assert ended(daemon, id)["status"] == ("DeadLettered" if id in dead else "Succeeded")
    assert [(letter["envelope"]["id"], letter["reason"]) for letter in letters(daemon)] == \
        [(id, "Overflow") for id in dead]


def test_what_expires_is_not_processed(slow, held):
    first = send(slow, "x").json["envelopeId"]
    held.wait_for(1)
    late = send(slow, "late", {"Agent-Expires-At": in_time(0.3)}).json["envelopeId"]
    early = send(slow, "early", {"Agent-Expires-At": in_time(600)}).json["envelopeId"]
    runtime.wait_until(lambda: envelope(slow, late).json["acceptedAt"] < in_time(-0.4)[:23], "the message to expire")
    held.open()
    assert ended(slow, first)["status"] == ended(slow, early)["status"] == "Succeeded"
    outcome = ended(slow, late)
    assert (outcome["status"], outcome["error"]["reason"]) == ("DeadLettered", "Expired")
    assert one_letter(slow)["reason"] == "Expired"
    assert len(held.ticks) == 2


def test_an_unknown_envelope_has_no_outcome(daemon):
    assert envelope(daemon, "nothing").status == 404
    assert daemon.call("DELETE", "/agents/my-agent/envelopes/nothing").status == 404


def test_a_waiting_message_can_be_cancelled(start, held):
    daemon = start()
    daemon.call("POST", "/agents", held.manifest())
    running = send(daemon, "a").json["envelopeId"]
    held.wait_for(1)
    waiting = send(daemon, "b").json["envelopeId"]
    assert envelope(daemon, running).json["status"] == "Running"
    assert envelope(daemon, waiting).json["status"] == "Queued"
    done = daemon.call("DELETE", f"/agents/my-agent/envelopes/{waiting}")
    assert (done.status, done.json["status"], done.json["error"]["reason"]) == (200, "Cancelled", "Cancelled")
    stopped = daemon.call("DELETE", f"/agents/my-agent/envelopes/{running}")
    assert (stopped.status, stopped.json["status"]) == (200, "Cancelled")
    daemon.kill()
    held.open()
    daemon = start()
    assert envelope(daemon, waiting).json["status"] == envelope(daemon, running).json["status"] == "Cancelled"
    late = daemon.call("DELETE", f"/agents/my-agent/envelopes/{waiting}")
    assert (late.status, late.json["reason"]) == (409, "TooLate")
    assert len(held.ticks) == 1 and letters(daemon) == []


def test_what_is_over_cannot_be_cancelled(daemon):
    id = send(daemon, "remember milk").json["envelopeId"]
    ended(daemon, id)
    answer = daemon.call("DELETE", f"/agents/my-agent/envelopes/{id}")
    assert (answer.status, answer.json["code"], answer.json["reason"]) == (409, "CONFLICT", "TooLate")


def test_a_message_that_fails_for_good_is_a_dead_letter(daemon):
    id = send(daemon, '{"text": "forget 9"}',
              {"Content-Type": "application/json", "Agent-Sender": "shop", "Agent-Seq": "1"}).json["envelopeId"]
    outcome = ended(daemon, id)
    letter = one_letter(daemon)
    assert outcome["deadLetter"] == letter["id"]
    assert letter["reason"] == "HandlerFailed" and letter["error"]["code"] == "INVALID_REQUEST"
    assert letter["error"]["retryable"] is False and letter["attempts"] == 1 and letter["trigger"] == "Message"
    assert letter["envelope"]["id"] == id and letter["envelope"]["payload"] == {"text": "forget 9"}
    assert (letter["envelope"]["sender"], letter["envelope"]["seq"]) == ("shop", 1)
    assert daemon.call("GET", f"/agents/my-agent/deadletters/{letter['id']}").json == letter


def test_a_message_is_tried_as_often_as_the_spec_says(start):
    daemon = start()
    with contextlib.closing(handler.Handler(lambda tick: (503, {}))) as one:
        daemon.call("POST", "/agents", one.manifest(config={"retry": {"maxAttempts": 3, "firstBackoff": "10ms"}}))
        outcome = ended(daemon, send(daemon, "x").json["envelopeId"])
        assert outcome["status"] == "DeadLettered"
        assert one_letter(daemon)["attempts"] == 3 and len(one.ticks) == 3


def test_a_dead_letter_can_be_tried_again(start):
    works = threading.Event()
    daemon = start()

    def answer(tick):
        return {"reply": "done"} if works.is_set() else (400, {})

    with contextlib.closing(handler.Handler(answer)) as one:
        daemon.call("POST", "/agents", one.manifest())
        id = send(daemon, "x", {"Agent-Expires-At": in_time(600)}).json["envelopeId"]
        letter = one_letter(daemon)
        works.set()
        again = daemon.call("POST", f"/agents/my-agent/deadletters/{letter['id']}/replay")
        assert (again.status, again.json["envelopeId"]) == (202, id)
        outcome = ended(daemon, id)
        assert (outcome["status"], outcome["output"]) == ("Succeeded", "done") and "deadLetter" not in outcome
        assert letters(daemon) == []
        gone = daemon.call("POST", f"/agents/my-agent/deadletters/{letter['id']}/replay")
        assert (gone.status, gone.json["code"]) == (404, "NOT_FOUND")
        # Nobody can send it again meanwhile.
        assert send(daemon, "x", {"Agent-Envelope-Id": id}).json["duplicate"] is True


def test_a_replay_that_was_taken_outlives_the_process(start, held):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    id = send(daemon, "forget 1").json["envelopeId"]
    letter = one_letter(daemon)
    daemon.run("my-agent", "remember milk")
    daemon.call("PUT", "/agents/my-agent", held.manifest())
    assert daemon.call("POST", f"/agents/my-agent/deadletters/{letter['id']}/replay").status == 202
    held.wait_for(1)
    daemon.kill()
    held.open()
    daemon = start()
    assert ended(daemon, id)["status"] == "Succeeded" and letters(daemon) == []


def test_a_dead_letter_can_be_thrown_away(daemon):
    for i in range(3):
        send(daemon, f"forget {i + 7}")
    runtime.wait_until(lambda: len(letters(daemon)) == 3, "three dead letters")
    page = daemon.call("GET", "/agents/my-agent/deadletters?limit=2").json
    rest = daemon.call("GET", f"/agents/my-agent/deadletters?limit=2&cursor={page['cursor']}").json
    assert page["items"] + rest["items"] == letters(daemon) and "cursor" not in rest
    path = f"/agents/my-agent/deadletters/{page['items'][0]['id']}"
    assert daemon.call("DELETE", path).status == 204
    assert daemon.call("DELETE", path).status == 404 == daemon.call("GET", path).status
    assert letters(daemon) == page["items"][1:] + rest["items"]


def test_a_pod_names_its_paths_from_the_root(start):
    pod = start("pod", env=runtime.pod_env())
    answer = pod.call("POST", "/send", "remember milk")
    assert answer.headers["Location"] == "/envelopes/" + answer.json["envelopeId"]
    assert pod.call("GET", answer.headers["Location"]).status == 200
