"""WebSockets of agents: frames in order, tags, the ends of connections, and what outlives the process."""

import json
import threading

import pytest

import logic
import runtime
import websocket


@pytest.fixture
def serve():
    """Starts a handler, and ends it after the test."""
    started = []

    def start_one(tick):
        started.append(logic.Logic(tick))
        return started[-1]

    yield start_one
    for one in started:
        one.close()


@pytest.fixture
def connect():
    opened = []

    def open_one(daemon, *arguments, **options):
        opened.append(websocket.Client(daemon, *arguments, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.cut()


def create(daemon, handler, name="my-agent"):
    assert daemon.call("PUT", f"/agents/{name}", logic.manifest(name, handler.port)).status in (200, 201)


def socket_events(handler):
    return [document["trigger"]["envelope"]["payload"] for document in handler.documents
            if document["trigger"]["type"] == "Socket"]


def wait_for(handler, event):
    return runtime.wait_until(lambda: [one for one in socket_events(handler) if one["event"] == event], event)


def ends(handler):
    """The ids of the envelopes that told of an end."""
    return {document["trigger"]["envelope"]["id"] for document in handler.documents
            if document["trigger"]["type"] == "Socket"
            and document["trigger"]["envelope"]["payload"]["event"] == "disconnect"}


def metric(daemon):
    line = next(line for line in daemon.admin("/metrics").body.decode().splitlines()
                if line.startswith("openagents_sockets "))
    return float(line.split()[1])


def test_a_notebook_is_used_over_a_socket(daemon, connect):
    client = connect(daemon)
    assert client.status == 101, client.head
    client.send("remember milk")
    assert client.next() == "noted: milk"
    client.send("list")
    assert "milk" in client.next_json()
    assert metric(daemon) == 1
    client.send("forget 99")
    assert client.next_json()["code"] == "INVALID_REQUEST"
    client.close()
    runtime.wait_until(lambda: metric(daemon) == 0, "the end of the socket")


def test_frames_are_processed_in_order_however_many_come_at_once(daemon, connect):
    clients = [connect(daemon) for _ in range(3)]
    texts = [f"note {i}" for i in range(300)]
    for text in texts:
        for client in clients:
            client.send(text)
    for client in clients:
        assert [client.next() for _ in texts] == [f"noted: {text}" for text in texts]


def test_what_cannot_be_a_socket_is_refused_as_a_request(daemon, connect):
    plain = daemon.call("GET", "/agents/my-agent/ws")
    assert (plain.status, plain.json["reason"]) == (426, "UpgradeRequired")
    assert connect(daemon, "/agents/nobody/ws").status == 404
    assert connect(daemon, headers={"Origin": "http://evil.example"}).status == 403
    suspended = runtime.manifest("suspended").replace("replicas: 1", "replicas: 0")
    assert daemon.call("POST", "/agents", suspended).status == 201
    assert connect(daemon, "/agents/suspended/ws").status == 409


def test_a_handler_sees_and_steers_its_connections(daemon, connect, serve):
    def tick(document):
        event = document["trigger"]["envelope"]["payload"]
        if document["trigger"]["type"] != "Socket":
            return {"sockets": [{"send": "tag:room", "text": event}]}
        me = event["connectionId"]
        if event["event"] == "connect":
            return {"sockets": [{"send": me, "text": "welcome"}]}
        if event["event"] == "disconnect":
            return {}
        if event.get("text") == "join":
            return {"sockets": [{"update": me, "tags": ["room"], "attachment": {"n": 1}}], "reply": "joined"}
        if event.get("text") == "leave":
            return {"sockets": [{"send": me, "text": "bye"}, {"close": me, "code": 4000, "reason": "as you wish"}]}
        if "base64" in event:
            return {"replyBase64": event["base64"], "replyContentType": "application/octet-stream"}
        return {"reply": {"tags": event["tags"], "attachment": event.get("attachment")}}

    handler = serve(tick)
    create(daemon, handler)
    first, second = connect(daemon), connect(daemon)
    assert (first.next(), second.next()) == ("welcome", "welcome")
    first.send("join")
    assert first.next() == "joined"
    first.send("who am I?")
    assert first.next_json() == {"tags": ["room"], "attachment": {"n": 1}}
    second.send("who am I?")
    assert second.next_json() == {"tags": [], "attachment": None}
    second.send(b"\x00\xff")
    assert second.next() == b"\x00\xff"
    # Any tick may send to all with a tag; others get nothing of it.
    assert daemon.call("POST", "/agents/my-agent/run", "news").status == 200
    assert first.next() == "news"
    second.send("leave")
    assert second.next() == "bye"
    with pytest.raises(websocket.Closed) as closed:
        second.next()
    assert (closed.value.code, closed.value.reason) == (4000, "as you wish")
    second.cut()
    first.close(4001, "enough")
    gone = runtime.wait_until(lambda: len(found := wait_for(handler, "disconnect")) == 2 and found, "both ends")
    assert {(one["code"], one["reason"]) for one in gone} == {(4000, "as you wish"), (4001, "enough")}
    assert next(one for one in gone if one["code"] == 4001)["attachment"] == {"n": 1}


def test_a_frame_that_was_not_committed_does_not_leave(daemon, connect, serve):
    def tick(document):
        event = document["trigger"]["envelope"]["payload"]
        if event["event"] != "message":
            return {}
        sent = [{"send": event["connectionId"], "text": f"attempt {document['attempt']}"}]
        if document["attempt"] == 1:
            return {"sockets": sent, "kv": [{"put": "big", "value": "x" * 3_000_000}]}  # cannot be written
        return {"sockets": sent}

    handler = serve(tick)
    create(daemon, handler)
    client = connect(daemon)
    client.send("go")
    problem = client.next_json()
    assert problem["code"] == "INVALID_REQUEST" or problem["reason"], problem


def test_a_connection_that_breaks_is_told(daemon, connect, serve):
    handler = serve(lambda document: {})
    create(daemon, handler)
    client = connect(daemon)
    wait_for(handler, "connect")
    client.cut()
    (gone,) = wait_for(handler, "disconnect")
    assert gone["code"] == 1006


def test_connections_of_a_killed_process_are_told_once_it_is_back(start, connect, serve):
    def tick(document):
        event = document["trigger"]["envelope"]["payload"]
        if event.get("event") == "message":
            return {"sockets": [{"update": event["connectionId"], "tags": [event["text"]]}], "reply": "ok"}
        return {}

    handler = serve(tick)
    daemon = start()
    create(daemon, handler)
    clients = [connect(daemon) for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(f"tag {number}")
        assert client.next() == "ok"
        client.send(f"tag {number}")  # its tick comes behind the row of the first change
        assert client.next() == "ok"
    daemon.kill()
    for client in clients:
        with pytest.raises(websocket.Closed):
            client.next()
    daemon = start()
    gone = runtime.wait_until(lambda: len(found := wait_for(handler, "disconnect")) == 3 and found, "all ends")
    opened = {one["connectionId"] for one in wait_for(handler, "connect")}
    assert {one["connectionId"] for one in gone} == opened
    assert {one["code"] for one in gone} == {1006}
    assert sorted(one["tags"][0] for one in gone) == ["tag 0", "tag 1", "tag 2"]
    # Told by one envelope, also if the process ends again; that one may be processed again.
    client = connect(daemon)
    wait_for(handler, "connect")
    daemon.kill()
    daemon = start()
    runtime.wait_until(lambda: len(ends(handler)) == 4, "the fourth end")
    daemon.kill()
    daemon = start()
    assert daemon.call("POST", "/agents/my-agent/run", json.dumps({}), {"Content-Type": "application/json"}).status == 200
    assert ends(handler) == {f"{one['connectionId']}/disconnect" for one in wait_for(handler, "connect")}
    client.cut()


def test_a_client_that_floods_is_slowed_down_and_loses_nothing(daemon, connect, serve):
    free = threading.Event()
    texts = []

    def tick(document):
        event = document["trigger"]["envelope"]["payload"]
        if event["event"] == "message":
            free.wait(runtime.PATIENCE)
            texts.append(event["text"][:10])
        return {}

    handler = serve(tick)
    create(daemon, handler)
    client = connect(daemon)
    client.socket.settimeout(1)
    sent = 0
    with pytest.raises(TimeoutError):
        while True:  # until the kernel takes no more, which is the server's word
            client.send(f"{sent:010}" + "x" * 100_000)
            sent += 1
    assert 10 < sent < 1000
    free.set()
    client.cut()
    runtime.wait_until(lambda: wait_for(handler, "disconnect"), "the end")
    assert texts == [f"{i:010}" for i in range(len(texts))]
    assert len(texts) >= 10


def test_sockets_end_with_their_agent_and_with_the_process(daemon, connect):
    doomed = connect(daemon)
    assert doomed.status == 101
    assert daemon.call("DELETE", "/agents/my-agent").status == 204
    with pytest.raises(websocket.Closed) as closed:
        doomed.next()
    assert closed.value.code == 1001
    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    drained = connect(daemon)
    assert drained.status == 101
    stopped = threading.Thread(target=daemon.stop)
    stopped.start()
    with pytest.raises(websocket.Closed) as closed:
        drained.next()
    assert closed.value.code == 1001
    drained.send_frame(websocket.CLOSE, b"\x03\xe9")
    stopped.join(runtime.PATIENCE)
    assert daemon.process.poll() == 0
