"""Reading along: what an agent does, live and again, without a hole."""

import threading

import pytest

import events
import logic
import runtime

STREAM = "/agents/my-agent/stream"
ENVELOPES = "Agent-Envelope-Id"


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
def read():
    opened = []

    def open_one(daemon, path=STREAM, **options):
        opened.append(events.Reader(daemon, path, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def create(daemon, handler, name="my-agent"):
    assert daemon.call("PUT", f"/agents/{name}", logic.manifest(name, handler.port)).status in (200, 201)


def ticks_of(shown):
    return [event.data["envelopeId"] for event in shown if event.id and event.name == "tick_start"]


def test_a_stream_shows_what_happens_from_now_on(daemon, read):
    daemon.run("my-agent", "before")
    reader = read(daemon)
    assert reader.status == 200
    assert reader.response.headers["Content-Type"] == "text/event-stream"
    assert reader.response.headers["Cache-Control"] == "no-store"
    answer = daemon.call("POST", "/agents/my-agent/run", "milk").json
    live, start, end = reader.until("tick_end")
    assert (live.name, live.id, live.data["speculative"]) == ("tick_start", None, True)
    assert live.data["envelopeId"] == start.data["envelopeId"] == answer["envelopeId"]
    assert (start.name, start.data["trigger"], start.data["attempt"]) == ("tick_start", "Request", 1)
    assert (end.data["tickId"], end.data["outcome"]) == (answer["tickId"], "Committed")
    assert "speculative" not in start.data and live.data["time"] and start.data["time"]


def test_a_stream_goes_on_behind_the_last_event(daemon, read):
    reader = read(daemon)
    daemon.run("my-agent", "one")
    seen = reader.until("tick_end")
    reader.close()
    ids = [daemon.call("POST", "/agents/my-agent/run", f"note {i}").json["envelopeId"] for i in range(5)]
    for again in (read(daemon, last=seen[-1].id), read(daemon, f"{STREAM}?lastEventId={seen[-1].id}")):
        shown = [event for _ in ids for event in again.until("tick_end")]
        assert ticks_of(shown) == ids
        assert all(event.id for event in shown)
    # Half a tick was seen: the other half follows.
    half = read(daemon, last=shown[2].id)
    assert half.next() == shown[3]
    # From the start on, and then on as it happens.
    whole = read(daemon, f"{STREAM}?from=start")
    assert len(ticks_of([event for _ in range(6) for event in whole.until("tick_end")])) == 6
    last = daemon.call("POST", "/agents/my-agent/run", "last").json["envelopeId"]
    assert ticks_of(whole.until("tick_end")) == [last]


def test_what_is_asked_for_badly_is_refused(daemon):
    for path, where in ((f"{STREAM}?from=yesterday", "query.from"), ("/agents/my-agent/logs?level=loud", "query.level"),
                        ("/agents/my-agent/logs?follow=yes", "query.follow"),
                        ("/agents/my-agent/logs?cursor=x", "query.cursor")):
        answer = daemon.call("GET", path)
        assert (answer.status, answer.json["errors"][0]["path"]) == (400, where)
    assert daemon.call("GET", STREAM, headers={"Last-Event-ID": "seven"}).status == 400
    assert daemon.call("GET", "/agents/nobody/stream").status == 404


def test_an_id_that_the_agent_never_gave_is_answered_with_a_gap(daemon, read):
    daemon.run("my-agent", "milk")
    reader = read(daemon, last="999999-0")
    gap = reader.next()
    start = reader.next()
    assert (gap.name, gap.id, gap.data["oldest"]) == ("gap", None, start.id)


def test_speculation_is_taken_back_when_an_attempt_fails(daemon, read, serve):
    frames = (b"event: delta\ndata: {\"text\": \"half\"}\n\n"
              b"event: log\ndata: {\"text\": \"careful\", \"level\": \"warn\"}\n\n")

    def tick(document):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + frames
        raise logic.Raw(head if document["attempt"] == 1 else head + b"event: result\ndata: {\"reply\": 1}\n\n")

    create(daemon, serve(tick))
    reader = read(daemon)
    assert daemon.run("my-agent", "x") == 1
    shown = reader.until("tick_end")
    names = [(event.name, event.data["attempt"]) for event in shown if not event.id]
    assert names == [("tick_start", 1), ("delta", 1), ("log", 1), ("reset", 1),
                     ("tick_start", 2), ("delta", 2), ("log", 2)]
    durable = [(event.name, event.data["attempt"]) for event in shown if event.id]
    assert durable == [("tick_start", 2), ("log", 2), ("tick_end", 2)]


def test_logs_are_listed_and_followed(daemon, read, serve):
    def tick(document):
        context = logic.Context(document)
        text = document["trigger"]["envelope"]["payload"]
        for level in ("debug", "warn"):
            assert context.call("POST", "log", {"level": level, "text": f"{text} {level}"}).status == 204
        return {}

    create(daemon, serve(tick))
    follower = read(daemon, "/agents/my-agent/logs?follow=true&level=warn")
    daemon.run("my-agent", "one")
    daemon.run("my-agent", "two")
    shown = [follower.next(), follower.next()]
    assert [(event.name, event.data["text"]) for event in shown] == [("log", "one warn"), ("log", "two warn")]
    again = read(daemon, "/agents/my-agent/logs?follow=true&level=warn", last=shown[0].id)
    assert again.next() == shown[1]

    logs = "/agents/my-agent/logs"
    assert [line["text"] for line in daemon.call("GET", logs).json["items"]] == \
        ["two warn", "two debug", "one warn", "one debug"]
    assert [line["text"] for line in daemon.call("GET", f"{logs}?level=info").json["items"]] == ["two warn", "one warn"]
    lines, cursor = [], ""
    while True:
        page = daemon.call("GET", f"{logs}?limit=1{cursor}").json
        lines += page["items"]
        if "cursor" not in page:
            break
        cursor = f"&cursor={page['cursor']}"
    assert [line["text"] for line in lines] == ["two warn", "two debug", "one warn", "one debug"]
    assert lines[0]["level"] == "warn" and lines[0]["tickId"] == "t-000000000002" and lines[0]["time"]


def test_a_stream_ends_with_its_agent_and_with_the_process(daemon, read):
    doomed = read(daemon)
    daemon.run("my-agent", "milk")
    assert daemon.call("DELETE", "/agents/my-agent").status == 204
    assert doomed.until("deleted")
    assert doomed.next() is None

    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    drained = read(daemon)
    daemon.run("my-agent", "milk")
    assert drained.until("tick_end")
    assert daemon.stop() == 0
    assert drained.next() is None


def test_a_slow_reader_is_given_everything(daemon, read):
    reader = read(daemon, receive_buffer=4096)
    ids = []
    lock = threading.Lock()

    def write(number):
        connection = daemon.connect()
        for i in range(400):
            answer = daemon.call("POST", "/agents/my-agent/run", f"forget {number}{i}", {ENVELOPES: f"{number}-{i}"},
                                 connection=connection)
            assert answer.status == 400  # fails, which is a tick all the same
            with lock:
                ids.append(f"{number}-{i}")
        connection.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    shown = [event for _ in ids for event in reader.until("tick_end")]
    assert sorted(ticks_of(shown)) == sorted(ids)


def test_a_reader_across_kills_sees_every_event_once(start, read):
    daemon = start()
    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    acknowledged, shown, last = [], [], "0-0"
    for cycle in range(5):
        reader = read(daemon, last=last)
        stop = threading.Event()

        def write():
            for i in range(1_000_000):
                if stop.is_set():
                    return
                try:
                    answer = daemon.call("POST", "/agents/my-agent/run", "note", {ENVELOPES: f"{cycle}-{i}"})
                except OSError:
                    return
                assert answer.status == 200
                acknowledged.append(f"{cycle}-{i}")

        writer = threading.Thread(target=write)
        writer.start()
        # Killed while it is being read, in the middle of whatever.
        for _ in range(20 + cycle):
            event = reader.next()
            while not event.id:
                event = reader.next()
            shown.append(event)
        daemon.kill()
        stop.set()
        writer.join()
        last = shown[-1].id
        daemon = start()
    answer = daemon.call("POST", "/agents/my-agent/run", "the end", {ENVELOPES: "end"})
    assert answer.status == 200
    reader = read(daemon, last=last)
    while ticks_of(shown)[-1:] != ["end"] or shown[-1].name != "tick_end":
        event = reader.next()
        if event.id:
            shown.append(event)
    positions = [tuple(map(int, event.id.split("-"))) for event in shown]
    assert positions == sorted(set(positions))
    seen = ticks_of(shown)
    assert len(seen) == len(set(seen))
    assert set(acknowledged) <= set(seen)
