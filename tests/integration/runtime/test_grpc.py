"""gRPC says what HTTP says: one table of calls drives both, and the answers are compared."""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import grpc
import pytest
from google.protobuf import json_format

import runtime
from grpc_client import Client, field, fields, raw

HEALTH = "/grpc.health.v1.Health/"
TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


@pytest.fixture
def served(start):
    """A daemon with the agents by-http and by-grpc, and a client of its gRPC."""
    port = runtime.free_port()
    daemon = start("serve", "--grpc-listen", f"127.0.0.1:{port}", "--body-bytes", "3Mi")
    daemon.grpc_port = port
    for name in ("by-http", "by-grpc"):
        assert daemon.call("POST", "/agents", runtime.manifest(name)).status == 201
    with Client(f"127.0.0.1:{port}") as client:
        yield daemon, client


def both(rpc, method, path, values=None, body=None, headers=None):
    """One row of the table: the same call in the words of both protocols."""
    return pytest.param(rpc, method, path, values or {}, body, headers or {},
                        id=f"{rpc} {method} {path} {headers or ''}{str(body or '')[:20]}")


def run(text, **values):
    return both("Run", "POST", "/run", {"body": text.encode(), **values}, text)


# In this order, on one daemon.
CALLS = [
    run("remember milk"),
    run("list"),
    run("fail"),
    run("count"),
    both("Run", "POST", "/run", {"body": b'{"text": "remember a"}', "content_type": "application/json"},
         '{"text": "remember a"}', {"Content-Type": "application/json"}),
    both("Run", "POST", "/run", {"body": b"{", "content_type": "application/json"}, "{",
         {"Content-Type": "application/json"}),
    both("Run", "POST", "/run", {"body": b"remember once", "idempotency_key": "k"}, "remember once",
         {"Idempotency-Key": "k"}),
    both("Run", "POST", "/run", {"body": b"remember once", "idempotency_key": "k"}, "remember once",
         {"Idempotency-Key": "k"}),
    both("Run", "POST", "/run", {"body": b"remember twice", "idempotency_key": "k"}, "remember twice",
         {"Idempotency-Key": "k"}),
    both("Run", "POST", "/run", {"body": b"list", "expires_at": "soon"}, "list", {"Agent-Expires-At": "soon"}),
    both("Tick", "POST", "/tick", {"body": b"count"}, "count"),
    both("Send", "POST", "/send", {"body": b"remember sent", "envelope_id": "e/1"}, "remember sent",
         {"Agent-Envelope-Id": "e/1"}),
    both("Send", "POST", "/send", {"body": b"remember sent", "envelope_id": "e/1"}, "remember sent",
         {"Agent-Envelope-Id": "e/1"}),
    both("Send", "POST", "/send", {"body": b"x", "seq": -1}, "x", {"Agent-Seq": "-1"}),
    run("count"),  # what was sent has been processed
    both("GetEnvelope", "GET", "/envelopes/e%2F1", {"id": "e/1"}),
    both("GetEnvelope", "GET", "/envelopes/none", {"id": "none"}),
    both("CancelEnvelope", "DELETE", "/envelopes/e%2F1", {"id": "e/1"}),
    both("ListDeadLetters", "GET", "/deadletters"),
    both("GetDeadLetter", "GET", "/deadletters/none", {"id": "none"}),
    both("ReplayDeadLetter", "POST", "/deadletters/none/replay", {"id": "none"}),
    both("DeleteDeadLetter", "DELETE", "/deadletters/none", {"id": "none"}),
    both("PutKey", "PUT", "/kv/a%20b", {"key": "a b", "body": b"\0\xff", "content_type": "image/png"}, b"\0\xff",
         {"Content-Type": "image/png"}),
    both("PutKey", "PUT", "/kv/a%20b", {"key": "a b", "body": b"{}", "content_type": "application/json"}, b"{}",
         {"Content-Type": "application/json"}),
    both("PutKey", "PUT", "/kv/a%20b", {"key": "a b", "if_none_match": "*"}, b"", {"If-None-Match": "*"}),
    both("PutKey", "PUT", "/kv/big", {"key": "big", "body": b"x" * 2100000}, b"x" * 2100000),
    both("PutKey", "PUT", "/kv/big", {"key": "big", "body": b"x" * 3200000}, b"x" * 3200000),
    both("GetKey", "GET", "/kv/a%20b", {"key": "a b"}),
    both("GetKey", "GET", "/kv/none", {"key": "none"}),
    both("GetKey", "GET", "/kv/..", {"key": ".."}),
    both("GetKey", "GET", "/kv/" + "k" * 513, {"key": "k" * 513}),
    both("ListKeys", "GET", "/kv?prefix=a&limit=1", {"prefix": "a", "limit": 1}),
    both("ListKeys", "GET", "/kv?limit=1001", {"limit": 1001}),
    both("DeleteKey", "DELETE", "/kv/a%20b", {"key": "a b", "if_match": '"no"'}, None, {"If-Match": '"no"'}),
    both("DeleteKey", "DELETE", "/kv/a%20b", {"key": "a b"}),
    both("DeleteKey", "DELETE", "/kv/a%20b", {"key": "a b"}),
    both("SetAlarm", "POST", "/alarms", {"name": "tea", "at": "2100-01-01T00:00:00Z", "payload": '{"n": [1, null]}'},
         '{"name": "tea", "at": "2100-01-01T00:00:00Z", "payload": {"n": [1, null]}}',
         {"Content-Type": "application/json"}),
    both("SetAlarm", "POST", "/alarms", {"name": "tea"}, '{"name": "tea"}', {"Content-Type": "application/json"}),
    both("GetAlarm", "GET", "/alarms/tea", {"alarm": "tea"}),
    both("ListAlarms", "GET", "/alarms"),
    both("DeleteAlarm", "DELETE", "/alarms/tea", {"alarm": "tea"}),
    both("DeleteAlarm", "DELETE", "/alarms/tea", {"alarm": "tea"}),
    both("GetState", "GET", "/state"),
    both("GetStatus", "GET", "/status"),
    both("ListTicks", "GET", "/ticks?limit=3", {"limit": 3}),
    both("ListTicks", "GET", "/ticks?cursor=x", {"cursor": "x"}),
    both("ListLogs", "GET", "/logs?level=info&limit=5", {"level": "info", "limit": 5}),
    both("ListLogs", "GET", "/logs?level=loud", {"level": "loud"}),
    both("CreateJob", "POST", "/jobs", {"input": '"remember job"', "ttl": "1h"},
         '{"input": "remember job", "ttl": "1h"}', {"Content-Type": "application/json"}),
    both("CreateJob", "POST", "/jobs", {"ttl": "1h"}, '{"ttl": "1h"}', {"Content-Type": "application/json"}),
    both("GetJob", "GET", "/jobs/none", {"id": "none"}),
    both("CancelJob", "DELETE", "/jobs/none", {"id": "none"}),
    both("ListJobs", "GET", "/jobs?status=Failed", {"status": "Failed"}),
    both("ListApprovals", "GET", "/approvals"),
    both("GetApproval", "GET", "/approvals/none", {"id": "none"}),
    both("Decide", "POST", "/approvals/none", {"id": "none", "decision": "Perhaps"}, '{"decision": "Perhaps"}',
         {"Content-Type": "application/json"}),
    both("ListAuditRecords", "GET", "/audit?limit=2", {"limit": 2}),
    both("GetAuditHead", "GET", "/audit/head"),
]

STATUSES = {"UNAUTHENTICATED": "UNAUTHENTICATED", "UNAUTHORIZED": "PERMISSION_DENIED", "NOT_FOUND": "NOT_FOUND",
            "INVALID_REQUEST": "INVALID_ARGUMENT", "CONFLICT": "FAILED_PRECONDITION",
            "LIMIT_EXCEEDED": "RESOURCE_EXHAUSTED", "RATE_LIMITED": "RESOURCE_EXHAUSTED",
            "DEPLOYMENT_FAILED": "FAILED_PRECONDITION", "RUNTIME_ERROR": "ABORTED", "TIMEOUT": "DEADLINE_EXCEEDED",
            "UNAVAILABLE": "UNAVAILABLE", "INTERNAL": "INTERNAL"}

# What differs from one agent or one call to the next.
MASKED = re.compile(r"by-(http|grpc)|[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b|\d{4}-\d\d-\d\dT[\d:.]+Z|t-\d{12}|\"[0-9a-z]+-[0-9a-z]+\"")
VARIES = {"id", "durationMs", "storageBytes", "etag", "epoch", "uid", "cursor", "commits", "writes", "traceId", "record", "hash", "signature", "time", "envelopeId"}


def masked(value):
    if isinstance(value, dict):
        return {key: "*" if key in VARIES and inner else masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return MASKED.sub("*", value) if isinstance(value, str) else value


def json_fields(descriptor):
    """Of members that hold JSON text: by the option `json`, extension 50104 of a field."""
    return {one.json_name for one in descriptor.fields if b"\xc0\xbb\x18\x01" in one.GetOptions().SerializeToString()}


def as_message(value, descriptor):
    """HTTP's JSON as json_format reads it: members of any type become JSON text."""
    inner = {one.json_name: one.message_type for one in descriptor.fields if one.message_type}
    text = json_fields(descriptor)
    out = {}
    for key, member in value.items():
        if key in text:
            member = [json.dumps(one) for one in member] if descriptor.fields_by_camelcase_name[key].label == 3 \
                else json.dumps(member)
        elif isinstance(member, list):
            member = [as_message(one, inner[key]) for one in member]
        elif isinstance(member, dict):
            member = as_message(member, inner[key])
        out[key] = member
    return out


def parsed(message):
    """The message with its JSON text parsed, so that spaces do not count."""
    out = json_format.MessageToDict(message, including_default_value_fields=True)

    def walk(value, descriptor):
        text = json_fields(descriptor)
        for one in descriptor.fields:
            if one.json_name not in value:
                continue
            member = value[one.json_name]
            if one.json_name in text and member:
                value[one.json_name] = [json.loads(each) for each in member] if one.label == 3 else json.loads(member)
            elif one.message_type:
                for each in member if one.label == 3 else [member]:
                    walk(each, one.message_type)

    walk(out, message.DESCRIPTOR)
    return masked(out)


def expected(answer, reply):
    """The reply that HTTP's answer should be."""
    names = {one.name for one in reply.DESCRIPTOR.fields}
    message = type(reply)()
    headers = {"etag": "ETag", "tick_id": "Agent-Tick-Id", "envelope_id": "Agent-Envelope-Id",
               "replayed": "Idempotent-Replayed"}
    if "body" in names and "output" not in names:
        message.body, message.content_type = answer.body, answer.headers["Content-Type"]
    elif names == {"state"}:
        message.state = answer.body.decode()
    elif answer.body:
        json_format.ParseDict(as_message(answer.json, message.DESCRIPTOR), message)
    for name, header in headers.items():
        if name in names and answer.headers[header] and not getattr(message, name):
            setattr(message, name, answer.headers[header])
    for name, status in (("created", 201), ("pending", 202)):
        if name in names:
            setattr(message, name, answer.status == status)
    return message


def compare(daemon, client, rpc, method, path, values, body, headers):
    answer = daemon.call(method, "/namespaces/default/agents/by-http" + path, body,
                         {"traceparent": TRACE, **headers})
    metadata = [("traceparent", TRACE)]
    try:
        reply = client.call(rpc, metadata, agent="by-grpc", **values)
    except grpc.RpcError as error:
        problem = answer.json
        trailers = dict(error.trailing_metadata())
        assert error.code().name == STATUSES[problem["code"]]
        assert masked(error.details()) == masked(problem["detail"])
        assert trailers["openagents-code"] == problem["code"]
        assert trailers.get("openagents-reason") == problem.get("reason")
        assert (trailers["openagents-retryable"] == "true") == problem["retryable"]
        assert trailers["openagents-trace-id"] == "ab" * 16
        assert problem.get("traceId", "ab" * 16) == "ab" * 16
        details = trailers["grpc-status-details-bin"]
        assert b"google.rpc.ErrorInfo" in details and problem["code"].encode() in details
        assert (b"google.rpc.BadRequest" in details) == ("errors" in problem)
        return
    assert answer.status < 300, answer
    assert parsed(reply) == parsed(expected(answer, reply))


def test_both_protocols_say_the_same(served):
    daemon, client = served
    for row in CALLS:
        try:
            compare(daemon, client, *row.values)
        except AssertionError as error:
            raise AssertionError(f"{row.id}: {error}") from error


def test_agents_are_made_and_deleted(served):
    daemon, client = served
    made = client.call("CreateAgent", manifest=runtime.manifest("new").encode())
    assert made.created and json.loads(made.manifest) == daemon.call("GET", "/agents/new").json
    again = client.call("CreateAgent", manifest=runtime.manifest("new").encode())
    assert not again.created and again.manifest == made.manifest
    put = client.call("PutAgent", agent="new", manifest=runtime.manifest("new", max_storage="2Gi").encode())
    assert json.loads(put.manifest)["spec"]["config"]["maxStorageBytes"] == "2Gi"
    assert client.call("GetAgent", agent="new").manifest == put.manifest
    listed = client.call("ListAgents", namespace="default", limit=2)
    assert [json.loads(item)["metadata"]["name"] for item in listed.items] == ["by-grpc", "by-http"]
    assert client.call("ListAgents", limit=2, cursor=listed.cursor).items[0] == put.manifest
    client.call("DeleteAgent", agent="new")
    with pytest.raises(grpc.RpcError) as gone:
        client.call("GetAgent", agent="new")
    assert gone.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as nameless:
        client.call("GetStatus")
    assert nameless.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "agent" in nameless.value.details()


def test_a_run_streams(served):
    _, client = served
    events = list(client.start("RunStream", agent="by-grpc", body=b"remember milk"))
    assert [event.event for event in events] == ["meta", "usage", "done"]
    done = json.loads(events[-1].data)
    assert done["output"] == "noted: milk" and done["tickId"] == json.loads(events[0].data)["tickId"]
    with pytest.raises(grpc.RpcError) as refused:
        list(client.start("RunStream", agent="nobody", body=b"x"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_what_an_agent_does_can_be_followed_and_resumed(served):
    _, client = served
    client.call("Run", agent="by-grpc", body=b"remember milk")
    call = client.start("Stream", agent="by-grpc", **{"from": "start"})
    events = [next(call)]
    while events[-1].event != "tick_end":
        events.append(next(call))
    call.cancel()
    assert events[0].event == "tick_start" and json.loads(events[0].data)["trigger"] == "Request"
    resumed = client.start("Stream", agent="by-grpc", last_event_id=events[0].id)
    assert next(resumed) == next(event for event in events[1:] if event.id)
    resumed.cancel()
    assert client.call("GetAuditKey", agent="by-grpc").pem.startswith(b"-----BEGIN PUBLIC KEY-----")


def test_a_stream_ends_when_the_runtime_does(served):
    daemon, client = served
    call = client.start("Stream", agent="by-grpc", **{"from": "start"})
    client.call("Run", agent="by-grpc", body=b"count")
    next(call)
    assert daemon.stop() == 0
    with pytest.raises((StopIteration, grpc.RpcError)):
        while True:
            next(call)


def test_reflection_lists_the_services_with_every_rpc(served):
    _, client = served
    assert {"openagents.runtime.v1.AgentRuntime", "grpc.health.v1.Health"} <= set(client.services())
    client.learn()
    tree = pathlib.Path(__file__).parents[3]
    proto = (tree / "runtime-pod/grpc/proto/openagents/runtime/v1/runtime.proto").read_text()
    assert sorted(client.rpcs) == sorted(re.findall(r"^  rpc (\w+)", proto, re.MULTILINE))


def status_of(answer):
    return dict(fields(answer)).get(1, 0)


def test_health_is_that_of_readyz(served):
    daemon, client = served
    check = client.channel.unary_unary(HEALTH + "Check", raw, raw)
    assert status_of(check(b"", timeout=30)) == SERVING
    assert status_of(check(field(1, b"openagents.runtime.v1.AgentRuntime"), timeout=30)) == SERVING
    with pytest.raises(grpc.RpcError) as unknown:
        check(field(1, b"other"), timeout=30)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
    watch = client.channel.unary_stream(HEALTH + "Watch", raw, raw)
    assert status_of(next(watch(field(1, b"other"), timeout=30))) == SERVICE_UNKNOWN
    watching = watch(b"", timeout=60)
    assert status_of(next(watching)) == SERVING
    daemon.process.terminate()
    assert status_of(next(watching)) == NOT_SERVING
    assert daemon.wait() == 0


def refuse_junk(port, data):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("junk", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    os.urandom(4096),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 4096,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" + b"\0\0\1\1\4\0\0\0\1\xff",
], ids=["http/1.1", "random", "bad frame", "bad headers"])
def test_junk_costs_its_connection_only(served, junk):
    daemon, client = served
    refuse_junk(daemon.grpc_port, junk)
    assert client.call("GetStatus", agent="by-grpc").name == "by-grpc"


def test_messages_that_cannot_be_read_are_refused(served):
    _, client = served
    call = client.channel.unary_unary("/openagents.runtime.v1.AgentRuntime/Run", raw, raw)
    with pytest.raises(grpc.RpcError) as garbage:
        call(b"\xff\xff\xff", timeout=30)
    assert garbage.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as oversize:
        call(b"x" * (4 << 20), timeout=30)
    assert oversize.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as smuggled:
        client.call("PutKey", agent="by-grpc", key="k", content_type="a/b\r\nSet-Cookie: x")
    assert smuggled.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as long:
        client.call("PutKey", agent="by-grpc", key="k", content_type="a" * 20000)
    assert dict(long.value.trailing_metadata())["openagents-reason"] == "HeadersTooLarge"
    unknown = client.channel.unary_unary("/openagents.runtime.v1.AgentRuntime/Nothing", raw, raw)
    with pytest.raises(grpc.RpcError) as unimplemented:
        unknown(b"", timeout=30)
    assert unimplemented.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_nothing_of_grpc_runs_unless_it_is_asked_for(start):
    daemon = start()
    threads = {(task / "comm").read_text().strip()
               for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()}
    assert not [name for name in threads if re.search("grpc|timer_manager|event_engine|resolver", name)], threads


def test_an_address_in_use_is_refused(start, served):
    daemon, _ = served
    other = start("serve", "--grpc-listen", f"127.0.0.1:{daemon.grpc_port}", data="other", wait=False)
    assert other.wait() == 1
    assert f"127.0.0.1:{daemon.grpc_port}" in other.log()


def test_a_pod_serves_its_own_agent(start):
    port = runtime.free_port()
    start("pod", "--grpc-listen", f"127.0.0.1:{port}", env=runtime.pod_env())
    with Client(f"127.0.0.1:{port}") as client:
        assert json.loads(client.call("Run", body=b"remember milk").output) == "noted: milk"
        assert json.loads(client.call("Run", namespace="default", agent="my-agent", body=b"count").output) == 2
        with pytest.raises(grpc.RpcError) as other:
            client.call("Run", agent="other", body=b"count")
        assert other.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_example_of_the_docs_works(start, tmp_path):
    port = runtime.free_port()
    daemon = start("serve", "--grpc-listen", f"127.0.0.1:{port}")
    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    tree = pathlib.Path(__file__).parents[3]
    page = (tree / "docs/grpc.md").read_text()
    shell, python, printed = re.findall(r"^```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "runtime-pod").symlink_to(tree / "runtime-pod")
    subprocess.run(["bash", "-euc", shell], cwd=tmp_path, check=True)
    ran = subprocess.run([sys.executable, "-c", python.replace(":9090", f":{port}")], cwd=tmp_path, check=True,
                         capture_output=True, text=True)
    assert ran.stdout == printed


def test_who_gives_up_is_gone(served):
    """A cancelled call and one past its deadline leave nothing behind, and the agent goes on."""
    _, client = served
    for _ in range(20):
        call = client.start("Run", agent="by-grpc", body=b"remember x")
        call.cancel()
        with pytest.raises(grpc.RpcError) as late:
            client.call("Stream", agent="by-grpc", timeout=0.05)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert client.call("GetStatus", agent="by-grpc").name == "by-grpc"


def test_a_job_can_be_followed(served):
    _, client = served
    job = client.call("CreateJob", agent="by-grpc", input='"remember job"')
    events = list(client.start("FollowJob", agent="by-grpc", id=job.id))
    assert events[-1].event == "done"
    assert client.call("GetJob", agent="by-grpc", id=job.id).status == "Succeeded"
