"""invoke/v1, as wire.md has it."""

import contextlib
import json

import pytest

import handler
from test_replay import events, keyed


def invoke(daemon, body, headers=None, path="/agents/my-agent/invoke"):
    return daemon.call("POST", path, json.dumps(body), headers or {})


def say(text, **more):
    return {"input": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": text}]}, **more}


def test_a_conversation_is_answered(daemon):
    answer = invoke(daemon, say("remember milk", protocol="invoke/v1", metadata={"traceId": "t-1", "client": "test"}))
    assert answer.status == 200
    assert answer.json["output"] == {"text": "noted: milk"} and answer.json["traceId"] == "t-1"
    assert answer.json["sessionId"] and answer.json["usage"]["computeMs"] > 0
    assert answer.json["usage"]["toolCalls"] == 0 and "tokens" not in answer.json["usage"]
    listed = invoke(daemon, {"input": {"prompt": "list"}})
    assert json.loads(listed.json["output"]["text"]) == ["milk"]


def test_a_session_goes_on(start):
    daemon = start()
    with contextlib.closing(handler.Handler(lambda tick: {"reply": tick["trigger"]["envelope"]["payload"]})) as one:
        daemon.call("POST", "/agents", one.manifest())
        first = invoke(daemon, {"input": {"prompt": "hi"}, "options": {"maxSteps": 3, "temperature": 0.5}}).json
        assert json.loads(first["output"]["text"]) == {
            "messages": [{"role": "user", "content": "hi"}], "sessionId": first["sessionId"],
            "options": {"maxSteps": 3, "temperature": 0.5}}
        daemon.kill()
        daemon = start()
        again = invoke(daemon, say("on", sessionId=first["sessionId"])).json
        assert again["sessionId"] == first["sessionId"]
        assert json.loads(again["output"]["text"])["sessionId"] == first["sessionId"]


def test_an_unknown_session_is_refused(daemon):
    answer = invoke(daemon, say("hi", sessionId="nobody's"))
    assert (answer.status, answer.json["error"]["code"], answer.json["error"]["retryable"]) == \
        (502, "RUNTIME_ERROR", False)
    assert answer.json["error"]["details"] == {"reason": "UnknownSession"}
    assert daemon.call("GET", "/agents/my-agent/state").json is None


@pytest.mark.parametrize("body", [
    {}, {"input": {}}, {"input": {"prompt": "a", "messages": [{"role": "user", "content": "b"}]}},
    {"input": {"messages": []}}, {"input": {"messages": [{"role": "boss", "content": "b"}]}},
    {"input": {"messages": [{"role": "user"}]}}, {"input": {"prompt": 1}}, {"input": {"prompt": "a"}, "more": 1},
    {"protocol": "invoke/v2", "input": {"prompt": "a"}}, {"input": {"prompt": "a"}, "options": {"temperature": "hot"}},
    {"input": {"prompt": "a"}, "options": {"maxSteps": 0}}, [], "x"])
@pytest.mark.parametrize("verb", ["invoke", "invoke/stream"])
def test_bad_requests_have_the_protocols_errors(daemon, verb, body):
    answer = invoke(daemon, body, path=f"/agents/my-agent/{verb}")
    assert answer.status == 400 and answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["error", "traceId"] and len(answer.json["traceId"]) == 32
    error = answer.json["error"]
    assert error["code"] == "INVALID_REQUEST" and error["message"] and error["retryable"] is False


def test_failures_have_the_protocols_errors(daemon):
    failed = invoke(daemon, say("forget 9"), {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"})
    assert (failed.status, failed.json["error"]["code"]) == (400, "INVALID_REQUEST")
    assert failed.json["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert invoke(daemon, say("x"), path="/agents/nobody/invoke").json["error"]["code"] == "NOT_FOUND"
    assert invoke(daemon, say("x"), {"Agent-Seq": "1"}).json["error"]["code"] == "INVALID_REQUEST"


def test_a_repeat_has_the_first_answer_and_session(daemon):
    first = invoke(daemon, say("remember milk", metadata={"traceId": "t"}), keyed("k"))
    again = invoke(daemon, say("remember milk", metadata={"traceId": "t"}), keyed("k"))
    assert first.status == 200 and again.json == first.json
    assert daemon.notes("my-agent") == ["milk"]


def test_a_trace_named_in_the_body_is_the_ticks(daemon):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert invoke(daemon, say("x", metadata={"traceId": trace})).json["traceId"] == trace
    assert daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]["traceId"] == trace


def test_an_answer_can_be_read_along(start):
    def answer(_):
        return [("delta", {"text": "hel"}), ("usage", {"tokensIn": 3, "tokensOut": 2}), ("result", {"reply": "hello"})]

    daemon = start()
    with contextlib.closing(handler.Handler(answer)) as one:
        daemon.call("POST", "/agents", one.manifest())
        said = events(invoke(daemon, say("x"), path="/agents/my-agent/invoke/stream"))
        assert [name for name, _ in said] == ["meta", "delta", "usage", "done"]
        meta, delta, usage, done = [data for _, data in said]
        assert len(meta["traceId"]) == 32 and meta["sessionId"] == done["sessionId"] and meta["attempt"] == 1
        assert delta == {"text": "hel"} and done["output"] == {"text": "hello"} and usage == done["usage"]
        assert usage["tokens"] == 5


def test_a_stream_ends_with_the_protocols_error(daemon):
    said = events(invoke(daemon, say("forget 9"), path="/agents/my-agent/invoke/stream"))
    assert [name for name, _ in said] == ["meta", "error"]
    assert said[1][1]["error"]["code"] == "INVALID_REQUEST" and said[1][1]["traceId"] == said[0][1]["traceId"]
