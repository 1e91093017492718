"""What a runtime must do to be one of ours, from outside: each test is named after the rule that it proves."""

import base64
import concurrent.futures
import contextlib
import json
import pathlib
import time

import events
import handler
import logic
import runtime


def at_once(calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [one.result(runtime.PATIENCE) for one in [pool.submit(call) for call in calls]]


def single_tick_lock(make):
    """One tick at a time: each sees what all those before it have written, across processes."""
    agent = make()
    for _ in range(2):
        seen = at_once([lambda: [agent.run("count") for _ in range(10)] for _ in range(8)])
        start = min(min(counts) for counts in seen)
        assert sorted(count for counts in seen for count in counts) == list(range(start, start + 80))
        assert all(counts == sorted(counts) for counts in seen)
        agent.crash()
    inside, most = [], []

    def answer(tick):
        inside.append(tick["tickId"])
        most.append(len(inside))
        time.sleep(0.002)
        inside.remove(tick["tickId"])
        return {"reply": "done"}

    with contextlib.closing(handler.Handler(answer)) as outside:
        other = make(handler={"http": {"url": outside.url}})
        at_once([lambda: other.run("x")] * 16)
        assert max(most) == 1 and len(most) == 16


def at_least_once_delivery(make):
    """What was taken is processed, whatever ends the process."""
    agent = make()
    taken = [agent.send(f"remember {number}")["envelopeId"] for number in range(40)]
    taken.append(agent.send("fail")["envelopeId"])
    agent.crash()
    assert [agent.ended(envelope)["status"] for envelope in taken] == ["Succeeded"] * 41
    assert sorted(agent.notes(), key=int) == [str(number) for number in range(40)]


def dedup_helpers(make):
    """Told by an envelope id, by a sender's number or by an Idempotency-Key, the same is taken once."""
    agent = make()
    ways = [{"Agent-Envelope-Id": "order-17"}, {"Agent-Sender": "shop", "Agent-Seq": "7"}, {"Idempotency-Key": "k"}]
    first = [agent.send(f"remember {number}", way)["envelopeId"] for number, way in enumerate(ways)]
    answered = agent.call("POST", "/run", "remember 3", {"Idempotency-Key": "r"})
    for _ in range(2):
        for number, way in enumerate(ways):
            assert agent.send(f"remember {number}", way) == {"envelopeId": first[number], "duplicate": True}
        assert agent.call("POST", "/run", "remember 3", {"Idempotency-Key": "r"}).json == answered.json
        for verb in ("send", "run"):
            other = agent.call("POST", f"/{verb}", "remember tea", {"Idempotency-Key": "k" if verb == "send" else "r"})
            assert (other.status, other.json["code"]) == (409, "CONFLICT"), other
        agent.crash()
    assert sorted(agent.await_notes(4)) == ["0", "1", "2", "3"]


def per_sender_ordering(make):
    """Each sender's messages are processed in the order of their numbers, also around one that is tried again."""
    agent = make(config={"retry": {"firstBackoff": "20ms"}})

    def talk(sender):
        for seq in range(1, 31):
            text = "fail" if seq % 10 == 5 else f"remember {sender}.{seq}"
            agent.send(text, {"Agent-Sender": sender, "Agent-Seq": str(seq)})

    senders = ["a", "b", "c", "d"]
    at_once([lambda name=name: talk(name) for name in senders])
    agent.crash()
    notes = agent.await_notes(27 * len(senders))
    for sender in senders:
        mine = [int(note[2:]) for note in notes if note.startswith(f"{sender}.")]
        assert mine == [seq for seq in range(1, 31) if seq % 10 != 5]


def idempotent_effects(make):
    """An effect is tried under one key until it is done, and never again after that."""
    ready = []

    def sell(order):
        if not ready:
            raise logic.Raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        return {"receipt": order["order"]}

    with contextlib.closing(logic.Logic(sell)) as shop:
        effect = {"key": "charge-17", "http": {"url": f"http://127.0.0.1:{shop.port}/", "body": {"order": 17}}}

        def buy(tick):
            outcome = logic.Context(tick).call("POST", "effects", effect).json
            return (200, {"reply": json.loads(outcome["body"])}) if tick["attempt"] > 1 else (503, {})

        with contextlib.closing(handler.Handler(buy)) as outside:
            agent = make(handler={"http": {"url": outside.url}}, config={"retry": {"firstBackoff": "10ms"}})
            bought = agent.send("buy")["envelopeId"]
            runtime.wait_until(lambda: len(shop.documents) >= 2, "the effect to be tried again")
            agent.running.kill()
            tried = len(shop.documents)
            ready.append(True)
            agent.start()
            assert agent.ended(bought)["output"] == {"receipt": 17}
            agent.crash()
            assert agent.run("buy") == {"receipt": 17}
            assert len(shop.documents) == tried + 1, "the effect was done again"
            assert {headers["Idempotency-Key"] for headers in shop.headers} == {"charge-17"}


def watch_semantics(make):
    """A watcher who comes back with the last id that it saw misses nothing and sees nothing twice."""
    agent = make()
    agent.run("remember one")
    seen = []
    last = None
    for round_ in range(3):
        path = f"{agent.root}/stream" + ("" if last else "?from=start")
        with contextlib.closing(events.Reader(agent.running, path, last=last)) as reader:
            answer = agent.call("POST", "/run", f"remember {round_}").json
            while not seen or seen[-1].data.get("tickId") != answer["tickId"] or seen[-1].name != "tick_end":
                event = reader.next()
                assert event is not None
                if event.id:  # the others promise nothing
                    seen.append(event)
        last = seen[-1].id
        agent.run(f"remember {round_} unseen")
        agent.crash()
    ended = [event.data["tickId"] for event in seen if event.name == "tick_end"]
    known = [tick["tickId"] for tick in agent.ticks()]
    assert ended == known[:len(ended)] and len(ended) == len(known) - 1
    assert len({event.id for event in seen}) == len(seen)


def budget_enforcement(make):
    """What is over the day's budget fails with LIMIT_EXCEEDED and changes nothing, also in the next process."""
    def refused(agent, text):
        before = agent.call("GET", "/state").body
        answer = agent.call("POST", "/run", text)
        assert answer.json["code"] == "LIMIT_EXCEEDED", answer
        assert answer.json["retryable"] is False
        assert agent.call("GET", "/state").body == before

    ticks = make(config={"budget": {"ticksPerDay": 3}})
    for number in range(3):
        ticks.run(f"remember {number}")
    refused(ticks, "remember 3")
    ticks.crash()
    refused(ticks, "remember 3")
    assert ticks.notes() == ["0", "1", "2"]

    written = make(config={"budget": {"bytesPerDay": "10Ki"}})
    written.run("remember milk")
    with contextlib.suppress(AssertionError):
        written.run("big 20000")
    written.crash()
    refused(written, "remember bread")
    assert written.notes() == ["milk"]

    def rounds(tick):
        return 200, iter([("usage", {"iterations": 2}), ("result", {"reply": "ok", "state": {"tick": tick["tickId"]}})])

    with contextlib.closing(handler.Handler(rounds)) as outside:
        thinker = make(handler={"http": {"url": outside.url}}, config={"budget": {"iterationsPerDay": 4}})
        assert [thinker.run("x"), thinker.run("x")] == ["ok", "ok"]
        thinker.crash()
        refused(thinker, "x")
    one_tick = make(config={"budget": {"ticksPerDay": 1}})
    assert at_once([lambda: one_tick.call("POST", "/run", "x").status for _ in range(8)]).count(200) == 1


def signer_no_key_leak(make):
    """The key that signs the audit log is a file of its owner alone, and in nothing that leaves the runtime."""
    agent = make()
    agent.run("remember milk")
    agent.send("forget 9")
    agent.call("POST", "/run", "fail")
    [path] = [file for file in agent.data.iterdir() if "key" in file.name]
    assert path.stat().st_mode & 0o777 == 0o600
    forms = secret_forms(path)
    paths = agent.running.call("GET", "/openapi.json").json["paths"]
    asked = 0
    for route, methods in paths.items():
        name = route.replace("{name}", agent.name).replace("{namespace}", "default")
        if "get" in methods and "{" not in name and name.split("/")[-1] not in ("stream", "ws"):
            answer = agent.running.call("GET", name)
            asked += 1
            check_no_secret(answer.body + str(answer.headers).encode(), forms, name)
    assert asked > 10
    check_no_secret(agent.running.admin("/metrics").body, forms, "/metrics")
    agent.crash()
    assert secret_forms(path) == forms
    agent.running.stop()
    check_no_secret(agent.running.log().encode(), forms, "the log")
    for file in agent.data.iterdir():
        if file != path:
            check_no_secret(file.read_bytes(), forms, file.name)


def secret_forms(path: pathlib.Path) -> list[bytes]:
    """The key's bytes as they may be written."""
    text = path.read_bytes()
    body = b"".join(line for line in text.splitlines() if line and not line.startswith(b"-----"))
    raw = base64.b64decode(body)[-32:] if text.startswith(b"-----") else text[-32:]
    assert len(raw) == 32
    encoded = base64.b64encode(raw).rstrip(b"=")
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), encoded, base64.urlsafe_b64encode(raw).rstrip(b"="), body]


def check_no_secret(data: bytes, forms: list[bytes], where: str) -> None:
    assert not any(form in data for form in forms), f"{where} has the signing key"


def trigger_envelope_id(make):
    """Every tick names the envelope that it ran for: the id that its sender was told."""
    agent = make()
    told = {}
    told["Request"] = agent.call("POST", "/run", "remember a").json["envelopeId"]
    told["Manual"] = agent.call("POST", "/tick", "remember b").json["envelopeId"]
    told["Message"] = agent.send("remember c")["envelopeId"]
    event = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "sold"}
    [told["Event"]] = agent.call("POST", "/events", json.dumps(event),
                                 {"Content-Type": "application/cloudevents+json"}).json["envelopeIds"]
    told["Alarm"] = agent.call("POST", "/alarms", json.dumps({"name": "soon", "in": "1ms", "payload": {"text": "d"}}),
                               {"Content-Type": "application/json"}).json["id"]
    agent.await_notes(5)
    ticks = agent.ticks()
    assert {tick["trigger"]: tick["envelopeId"] for tick in ticks} == told
    assert len({tick["tickId"] for tick in ticks}) == len(ticks)
    agent.crash()
    assert agent.ticks() == ticks


def overflow_deadletter(make):
    """What finds the inbox full is a dead letter with its reason, and can be taken again."""
    slow = {"capacity": 3, "overflow": "DeadLetter"}
    agent = make(config={"inbox": slow, "retry": {"firstBackoff": "1m", "maxBackoff": "1m"}})

    def send(seq, text):
        return agent.send(text, {"Agent-Sender": "shop", "Agent-Seq": str(seq)})["envelopeId"]

    send(1, "fail")  # holds its sender's others back
    kept = [send(seq, f"remember {seq}") for seq in (2, 3)]
    over = [send(seq, f"remember {seq}") for seq in (4, 5)]
    agent.crash()
    letters = agent.get("/deadletters")["items"]
    assert [(letter["envelope"]["id"], letter["reason"]) for letter in letters] == [(id_, "Overflow") for id_ in over]
    assert [agent.ended(envelope)["status"] for envelope in over] == ["DeadLettered"] * 2
    assert [agent.call("GET", f"/envelopes/{envelope}").json["status"] for envelope in kept] == ["Queued"] * 2
    agent.change({"config": {"inbox": {"capacity": 100}}})
    for letter in letters:
        assert agent.call("POST", f"/deadletters/{letter['id']}/replay").status == 202
    assert agent.get("/deadletters")["items"] == []


def export_import_roundtrip(make):
    """An archive makes the same agent elsewhere, down to what it has taken before; a damaged one makes nothing."""
    agent = make()
    agent.run("remember milk", {"Idempotency-Key": "k"})
    agent.send("remember bread", {"Agent-Envelope-Id": "order-17"})
    agent.await_notes(2)
    agent.call("PUT", "/kv/list", b"\x00eggs", {"Content-Type": "text/x-list"})
    agent.call("POST", "/alarms", json.dumps({"name": "later", "in": "12h"}), {"Content-Type": "application/json"})
    agent.ended(agent.send("forget 9")["envelopeId"])
    exported = agent.call("GET", "/export")
    assert exported.status == 200, exported
    before = everything(agent)

    other = make()
    if other.mode == "serve":
        assert other.call("DELETE", "").status == 204
    middle = len(exported.body) // 2
    damaged = exported.body[:middle] + bytes([exported.body[middle] ^ 1]) + exported.body[middle + 1:]
    for broken in (damaged, exported.body[:middle], b"", b"no archive"):
        refused = other.call("POST", "/import?mode=restore", broken)
        assert (refused.status, refused.json["code"]) == (400, "INVALID_REQUEST"), refused
    assert other.call("POST", "/import?mode=restore", exported.body).status == 201
    for _ in range(2):
        assert everything(other) == before
        assert other.send("remember bread", {"Agent-Envelope-Id": "order-17"})["duplicate"] is True
        assert other.run("remember milk", {"Idempotency-Key": "k"}) == "noted: milk"
        other.crash()
    assert sorted(other.run("list")) == ["bread", "milk"]


def everything(agent):
    """All that can be asked of it."""
    value = agent.call("GET", "/kv/list")
    return [agent.get("/state"), value.body, value.headers["Content-Type"], agent.get("/alarms"),
            agent.get("/deadletters"), agent.ticks()]


def hibernation_state_persists(make):
    """Asleep by hand and woken, or in another process, an agent has all that it had."""
    agent = make()
    agent.run("remember milk")
    assert agent.call("PUT", "/kv/list", "eggs", {"Content-Type": "text/x-list"}).status == 201
    agent.call("POST", "/alarms", json.dumps({"name": "later", "in": "12h"}), {"Content-Type": "application/json"})

    before = everything(agent)
    for wake in (lambda: agent.call("POST", "/wake"), agent.crash):
        asleep = agent.call("POST", "/hibernate")
        assert (asleep.status, asleep.json) == (200, {"state": "Dormant"})
        wake()
        assert everything(agent) == before
    assert agent.run("list") == ["milk"]
