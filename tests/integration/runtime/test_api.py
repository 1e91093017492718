"""What the runtime answers, as wire.md has it."""

import json
import socket

import runtime


def test_the_manifest_yields_a_working_agent(start):
    daemon = start()
    created = daemon.call("POST", "/agents", runtime.manifest())
    assert created.status == 201
    assert created.headers["Location"] == "/namespaces/default/agents/my-agent"
    assert created.json["metadata"]["name"] == "my-agent"
    assert created.json["spec"]["storage"]["size"] == "10Gi"
    answer = daemon.call("POST", "/agents/my-agent/run", "remember buy milk")
    assert answer.status == 200
    assert answer.json["output"] == "noted: buy milk"
    assert answer.json["tickId"] == "t-000000000001" == answer.headers["Agent-Tick-Id"]
    assert answer.json["envelopeId"] == answer.headers["Agent-Envelope-Id"]
    assert answer.json["usage"]["storageBytes"] > 0
    assert answer.headers["Agent-Uid"] == created.json["metadata"]["uid"]
    assert answer.headers["Agent-Epoch"] == "1"
    assert daemon.run("my-agent", "list") == ["buy milk"]
    assert daemon.run("my-agent", "count") == 3
    assert daemon.run("my-agent", "forget 1") == "forgot: buy milk"


def test_agents_are_created_replaced_listed_and_deleted(start):
    daemon = start()
    assert daemon.call("PUT", "/agents/b", runtime.manifest("b")).status == 201
    assert daemon.call("PUT", "/agents/b", runtime.manifest("b")).status == 200
    assert daemon.call("POST", "/agents", runtime.manifest("b")).status == 200
    different = daemon.call("POST", "/agents", runtime.manifest("b", max_storage="2Gi"))
    assert (different.status, different.json["reason"]) == (409, "AlreadyExists")
    assert daemon.call("PUT", "/agents/b", runtime.manifest("b", max_storage="2Gi")).status == 200
    assert daemon.call("GET", "/agents/b").json["spec"]["config"]["maxStorageBytes"] == "2Gi"

    team = runtime.manifest("b").replace("name: b", "name: b\n  namespace: team")
    assert daemon.call("POST", "/namespaces/team/agents", team).status == 201
    daemon.call("POST", "/agents", runtime.manifest("a"))
    first = daemon.call("GET", "/agents?limit=1").json
    assert [item["metadata"]["name"] for item in first["items"]] == ["a"]
    rest = daemon.call("GET", f"/agents?limit=5&cursor={first['cursor']}").json
    assert [item["metadata"]["name"] for item in rest["items"]] == ["b"]
    assert "cursor" not in rest

    assert daemon.call("DELETE", "/agents/b").status == 204
    assert daemon.call("DELETE", "/agents/b").status == 404
    assert daemon.call("POST", "/agents/b/run", "x").json["code"] == "NOT_FOUND"
    assert daemon.call("GET", "/namespaces/team/agents/b").status == 200


def test_what_is_shown_can_be_applied_again(daemon):
    shown = daemon.call("GET", "/agents/my-agent")
    assert daemon.call("PUT", "/agents/my-agent", shown.body).status == 200


def test_a_suspended_agent_refuses_to_run(daemon):
    suspended = runtime.manifest().replace("replicas: 1", "replicas: 0")
    assert daemon.call("PUT", "/agents/my-agent", suspended).status == 200
    answer = daemon.call("POST", "/agents/my-agent/run", "x")
    assert (answer.status, answer.json["code"], answer.json["reason"]) == (409, "CONFLICT", "Suspended")
    assert daemon.call("GET", "/agents/my-agent/status").json["suspended"] is True


def test_a_body_is_json_text_or_bytes_by_its_type_and_content(daemon):
    def run(body, content_type):
        return daemon.call("POST", "/agents/my-agent/run", body, {"Content-Type": content_type})

    assert run('{"text": "remember a"}', "application/json").json["output"] == "noted: a"
    assert run("remember b", "application/x-www-form-urlencoded").json["output"] == "noted: b"
    assert run('{"text": "c"}', "text/plain").json["output"] == 'noted: {"text": "c"}'
    assert run(b"\xff\xfe", "application/octet-stream").json["code"] == "INVALID_REQUEST"


def test_a_failed_attempt_is_tried_again(daemon):
    assert daemon.run("my-agent", "fail") == "succeeded on attempt 2"
    tick = daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]
    assert (tick["attempt"], tick["outcome"], tick["trigger"]) == (2, "Committed", "Request")


def test_a_run_ends_with_504_at_its_deadline(start):
    daemon = start("serve", "--run-timeout", "100ms")
    short = runtime.manifest().replace("maxTickDuration: 30s", "maxTickDuration: 100ms")
    daemon.call("POST", "/agents", short)
    answer = daemon.call("POST", "/agents/my-agent/run", "fail")
    # The second attempt begins 100 to 150 ms after the first, which is too late.
    assert (answer.status, answer.json["code"], answer.json["retryable"]) == (504, "TIMEOUT", True)
    assert "told to fail once" in answer.json["detail"]


def test_keys_keep_bodies_types_and_conditions(daemon):
    path = "/agents/my-agent/kv/a%2Fb%20c"
    body = bytes(range(256))
    put = daemon.call("PUT", path, body, {"Content-Type": "image/x-test"})
    assert put.status == 201
    etag = put.headers["ETag"]
    got = daemon.call("GET", path)
    assert (got.body, got.headers["Content-Type"], got.headers["ETag"]) == (body, "image/x-test", etag)

    assert daemon.call("PUT", path, b"2", {"If-None-Match": "*"}).status == 412
    assert daemon.call("PUT", path, b"2", {"If-Match": '"1-999"'}).status == 412
    replaced = daemon.call("PUT", path, b"2", {"If-Match": etag})
    assert replaced.status == 204 and replaced.headers["ETag"] != etag
    assert daemon.call("DELETE", path, headers={"If-Match": etag}).status == 412
    assert daemon.call("GET", path).body == b"2"
    assert daemon.call("DELETE", path).status == 204
    assert daemon.call("DELETE", path).status == 404
    assert daemon.call("GET", path).status == 404
    assert daemon.call("PUT", path, b"3", {"If-Match": "*"}).status == 412
    assert daemon.call("PUT", path, b"3", {"If-None-Match": "*"}).status == 201
    assert daemon.call("GET", path).headers["Content-Type"] == "application/octet-stream"


def test_keys_are_listed_by_prefix_and_page(daemon):
    for key in ("a", "b1", "b2", "b3", "c"):
        daemon.call("PUT", f"/agents/my-agent/kv/{key}", key * 3, {"Content-Type": "text/plain"})
    first = daemon.call("GET", "/agents/my-agent/kv?prefix=b&limit=2").json
    assert [(item["key"], item["bytes"]) for item in first["items"]] == [("b1", 6), ("b2", 6)]
    rest = daemon.call("GET", f"/agents/my-agent/kv?prefix=b&limit=2&cursor={first['cursor']}").json
    assert [item["key"] for item in rest["items"]] == ["b3"] and "cursor" not in rest
    assert first["items"][0]["etag"] == daemon.call("GET", "/agents/my-agent/kv/b1").headers["ETag"]
    assert first["items"][0]["contentType"] == "text/plain"


def test_state_status_and_ticks_show_what_was_committed(daemon):
    assert daemon.call("GET", "/agents/my-agent/state").json is None
    for text in ("one", "two", "three"):
        daemon.run("my-agent", text)
    daemon.call("PUT", "/agents/my-agent/kv/k", "v")
    state = daemon.call("GET", "/agents/my-agent/state").json
    assert [note["text"] for note in state["notes"]] == ["one", "two", "three"] and state["ticks"] == 3
    status = daemon.call("GET", "/agents/my-agent/status").json
    assert status["name"] == "my-agent" and status["epoch"] == 1 and status["commits"] == 4
    assert status["lastTickId"] == "t-000000000004" and status["waiting"] == 0 and not status["running"]
    first = daemon.call("GET", "/agents/my-agent/ticks?limit=3").json
    assert [tick["trigger"] for tick in first["items"]] == ["Manual", "Request", "Request"]
    rest = daemon.call("GET", f"/agents/my-agent/ticks?limit=3&cursor={first['cursor']}").json
    assert [tick["tickId"] for tick in rest["items"]] == ["t-000000000001"]


def test_a_trace_id_goes_through(daemon):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    daemon.call("POST", "/agents/my-agent/run", "x", headers)
    assert daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]["traceId"] == trace
    assert daemon.call("GET", "/agents/nobody/state", headers=headers).json["traceId"] == trace
    assert len(daemon.call("GET", "/agents/nobody/state").json["traceId"]) == 32


def test_storage_over_the_limit_changes_nothing(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest(max_storage="64Ki"))
    daemon.run("my-agent", "remember milk")
    before = daemon.call("GET", "/agents/my-agent/status").json
    for refused in (daemon.call("POST", "/agents/my-agent/run", "big 100000"),
                    daemon.call("PUT", "/agents/my-agent/kv/k", "x" * 70_000)):
        assert (refused.status, refused.json["code"], refused.json["reason"]) == (507, "LIMIT_EXCEEDED", "StorageLimit")
        assert "maxStorageBytes, 65536" in refused.json["detail"] and not refused.json["retryable"]
    after = daemon.call("GET", "/agents/my-agent/status").json
    # The failed tick has a record, and nothing else is new.
    assert after["commits"] == before["commits"] + 1 and after["storageBytes"] == before["storageBytes"]
    assert daemon.call("GET", "/agents/my-agent/kv").json["items"] == []
    assert daemon.run("my-agent", "big 50000") == "wrote 50000 bytes"


def test_a_pod_serves_its_agent_at_the_root(start, tmp_path):
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"config": {"maxStorageBytes": "64Ki"}, "aFieldOfTomorrow": {"x": 1}}))
    pod = start("pod", env=runtime.pod_env(AGENT_SPEC_FILE=str(spec)))
    answer = pod.call("POST", "/run", "remember milk", {"Host": "my-agent.default.svc"})
    assert answer.status == 200 and answer.headers["Agent-Uid"] == "uid-of-my-agent"
    assert pod.call("GET", "/state").json["notes"][0]["text"] == "milk"
    assert pod.call("GET", "/status").json["maxStorageBytes"] == 65536
    assert pod.call("PUT", "/kv/k", "v").status == 201
    assert pod.call("GET", "/kv/k").body == b"v"
    assert pod.call("GET", "/agents").status == 404
    # Also what the server answers by itself says who it is.
    assert b"Agent-Uid: uid-of-my-agent" in pod.raw(b"nonsense\r\n\r\n")


def test_health_metrics_and_description_are_served(daemon):
    daemon.run("my-agent", "x")
    for path in ("/healthz", "/readyz"):
        assert daemon.call("GET", path).status == 200
        assert daemon.admin(path).status == 200
    text = daemon.admin("/metrics").body.decode()
    for line in ('openagents_ticks_total{outcome="committed",trigger="Request"} 1',
                 'openagents_http_requests_total{code="200",route="/run"} 1',
                 'openagents_commit_batch_ticks_count', 'openagents_commit_duration_seconds_bucket',
                 'openagents_tick_duration_seconds_count{trigger="Request"} 1', 'openagents_inbox_depth 0',
                 'openagents_storage_bytes{kind="database"}', 'openagents_build_info{',
                 'openagents_http_request_duration_seconds_count{route="/run"} 1'):
        assert line in text, line
    assert "my-agent" not in text
    document = daemon.call("GET", "/openapi.json").json
    assert document["openapi"] == "3.1.0" and "/agents/{name}/run" in document["paths"]
    assert daemon.call("GET", "/metrics").status == 404


def test_a_unix_socket_will_do(start, tmp_path):
    path = str(tmp_path / "s")
    start("serve", "--listen", f"unix:{path}", wait=False)

    def ask(target):
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(path)
            except OSError:
                return b""
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n".encode())
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received

    runtime.wait_until(lambda: ask("/readyz").startswith(b"HTTP/1.1 200"), "the socket to answer")
    assert b'{"items":[]}' in ask("/agents")


def test_web_pages_of_other_sites_are_kept_out(daemon):
    def status(**headers):
        return daemon.call("GET", "/agents", headers=headers).status

    assert status(Host="localhost:1234") == 200
    assert status(Host="evil.example") == 403
    assert status(Host="localhost", Origin="http://evil.example") == 403
    assert status(Host="localhost", Origin="http://localhost:3000") == 200
    assert daemon.call("POST", "/agents/my-agent/run", "x", {"Origin": "http://evil.example"}).status == 403
    assert daemon.notes("my-agent") == []
