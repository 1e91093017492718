"""CloudEvents 1.0: binary, structured and batched, each one envelope."""

import json

import runtime

EVENTS = "/agents/my-agent/events"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def event(number: int, **more) -> dict:
    return {"specversion": "1.0", "id": f"e-{number}", "source": "/shop", "type": "com.example.sold", **more}


def ticks(daemon: runtime.Runtime) -> int:
    state = daemon.call("GET", "/agents/my-agent/state").json
    return state["ticks"] if state else 0


def test_the_three_modes_give_the_same_event_the_same_id(daemon):
    binary = daemon.call("POST", EVENTS, b'{"price": 3}',
                         {"ce-specversion": "1.0", "ce-id": "e-1", "ce-source": "/shop", "ce-type": "com.example.sold",
                          "Content-Type": "application/json"})
    assert binary.status == 202
    [envelope] = binary.json["envelopeIds"]
    assert "duplicates" not in binary.json
    structured = daemon.call("POST", EVENTS, json.dumps(event(1, data={"price": 3})), STRUCTURED)
    assert structured.status == 202
    assert structured.json == {"envelopeIds": [envelope], "duplicates": [envelope]}
    batch = daemon.call("POST", EVENTS, json.dumps([event(1), event(2)]), BATCH)
    assert batch.status == 202
    assert batch.json["envelopeIds"][0] == envelope and batch.json["duplicates"] == [envelope]
    runtime.wait_until(lambda: ticks(daemon) == 2, "both events to be processed")
    assert daemon.call("GET", f"/agents/my-agent/envelopes/{envelope}").json["status"] == "Succeeded"


def test_a_batch_is_processed_in_order_and_survives_a_crash(daemon, start):
    many = [event(number, source="/line", data={"n": number}, type=f"n{number}") for number in range(200)]
    taken = daemon.call("POST", EVENTS, json.dumps(many), BATCH)
    assert taken.status == 202
    assert len(set(taken.json["envelopeIds"])) == 200
    daemon.kill()
    again = start()
    runtime.wait_until(lambda: again.call("POST", "/agents/my-agent/run", "count").json["output"] > 200, "all of them")
    notes = [note for note in again.notes("my-agent") if note.startswith("event: n")]
    assert notes == [f"event: n{number}" for number in range(200)]
    repeated = again.call("POST", EVENTS, json.dumps(many), BATCH)
    assert repeated.json["duplicates"] == taken.json["envelopeIds"]


def test_what_is_no_event_is_refused_whole(daemon):
    missing = daemon.call("POST", EVENTS, json.dumps([event(1), {"specversion": "1.0"}]), BATCH)
    assert missing.status == 400
    assert "events[1]" in missing.json["detail"]
    assert daemon.call("POST", EVENTS, "hello").status == 400
    assert daemon.call("POST", EVENTS, "<event/>", {"Content-Type": "application/cloudevents+xml"}).status == 415
    too_many = daemon.call("POST", EVENTS, json.dumps([event(n) for n in range(1001)]), BATCH)
    assert too_many.status == 413
    assert ticks(daemon) == 0


def test_a_refused_event_names_itself_and_those_before_it_are_taken(start):
    daemon = start()
    manifest = runtime.manifest(max_storage="64Ki")
    assert daemon.call("POST", "/agents", manifest).status == 201
    batch = json.dumps([event(1, type="small"), event(2, data="x" * 100_000)])
    refused = daemon.call("POST", EVENTS, batch, BATCH)
    assert refused.status == 507
    assert refused.json["detail"].startswith("events[1]: ")
    again = daemon.call("POST", EVENTS, json.dumps(event(1, type="small")), STRUCTURED)
    assert again.json["duplicates"] == again.json["envelopeIds"]


def test_a_sender_may_ask_first(daemon):
    asked = daemon.call("OPTIONS", EVENTS, headers={"WebHook-Request-Origin": "shop.example.com",
                                                    "WebHook-Request-Rate": "120"})
    assert asked.status == 200
    assert asked.headers["WebHook-Allowed-Origin"] == "shop.example.com"
    assert asked.headers["WebHook-Allowed-Rate"] == "120"
    assert asked.headers["Allow"] == "POST"
    assert daemon.call("OPTIONS", EVENTS).status == 400
