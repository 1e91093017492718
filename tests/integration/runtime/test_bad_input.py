"""Bad input gets a clear refusal, and the process stays up."""

import socket

import pytest

import runtime


def refused(answer, status, *words):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status and problem["code"] and len(problem["traceId"]) == 32
    assert problem["type"].startswith("https://openagents.com/problems/")
    for word in words:
        assert word in problem["detail"], problem["detail"]
    return problem


def test_json_that_is_malformed_or_too_deep(daemon):
    for body in (b"{", b'{"text": "a",}', b"nul", b'{"a": "\xff"}', b"[" * 100 + b"]" * 100):
        answer = daemon.call("POST", "/agents/my-agent/run", body, {"Content-Type": "application/json"})
        assert refused(answer, 400)["code"] == "INVALID_REQUEST"
    assert daemon.notes("my-agent") == []


MANIFESTS = {
    "not YAML": ("a: [", "YAML"),
    "no object": ("- 1", "must be an object"),
    "two documents": ("a: 1\n---\nb: 2", "one document"),
    "another kind": (runtime.manifest().replace("kind: Agent", "kind: Pod"), "kind is \"Pod\" but must be Agent"),
    "another version": (runtime.manifest().replace("com/v1", "com/v9"), "apiVersion"),
    "no name": (runtime.manifest().replace("name: my-agent", "labels: {}"), "metadata.name must be set"),
    "a name with capitals": (runtime.manifest("My-Agent"), "metadata.name is \"My-Agent\" but must be"),
    "a name of 53 letters": (runtime.manifest("a" * 53), "1 to 52"),
    "an unknown field": (runtime.manifest().replace("replicas: 1", "replica: 1"), "spec.replica"),
    "an unknown field at the top": (runtime.manifest() + "extra: 1\n", "extra"),
    "a wrong type": (runtime.manifest().replace("replicas: 1", "replicas: one"), "spec.replicas"),
    "too many replicas": (runtime.manifest().replace("replicas: 1", "replicas: 2"), "spec.replicas"),
    "a bad quantity": (runtime.manifest(max_storage="1x"), "spec.config.maxStorageBytes is \"1x\" but must"),
    "too small a quantity": (runtime.manifest(max_storage="1Ki"), "spec.config.maxStorageBytes"),
    "a bad duration": (runtime.manifest().replace("30s", "30 seconds"), "spec.config.maxTickDuration"),
    "too long a duration": (runtime.manifest().replace("30s", "25h"), "spec.config.maxTickDuration"),
    "a duplicate key": (runtime.manifest().replace("  replicas: 1", "  replicas: 1\n  replicas: 1"), "replicas"),
}


@pytest.mark.parametrize("case", MANIFESTS)
def test_manifests_that_are_wrong(daemon, case):
    body, words = MANIFESTS[case]
    refused(daemon.call("POST", "/agents", body), 400, words)
    assert len(daemon.call("GET", "/agents").json["items"]) == 1


def test_a_manifest_under_another_name_or_namespace(daemon):
    refused(daemon.call("PUT", "/agents/other", runtime.manifest()), 400, "metadata.name is", "as in the path")
    team = runtime.manifest().replace("name: my-agent", "name: my-agent\n  namespace: team")
    refused(daemon.call("PUT", "/agents/my-agent", team), 400, "metadata.namespace")
    refused(daemon.call("POST", "/namespaces/other/agents", team), 400, "metadata.namespace")


def test_paths_methods_and_parameters_that_do_not_exist(daemon):
    refused(daemon.call("GET", "/nothing"), 404, "/nothing")
    refused(daemon.call("GET", "/agents/my-agent/nothing"), 404)
    refused(daemon.call("GET", "/agents/nobody/state"), 404, "default/nobody")
    refused(daemon.call("GET", "/agents/Bad_Name/state"), 400, "name is")
    refused(daemon.call("GET", "/namespaces/Bad_Name/agents"), 400, "namespace is")
    wrong = daemon.call("DELETE", "/agents/my-agent/run")
    assert refused(wrong, 405)["reason"] == "MethodNotAllowed" and wrong.headers["Allow"] == "POST"
    assert refused(daemon.call("GET", "/agents/my-agent/kv?prefx=a"), 400)["errors"] == [
        {"path": "query.prefx", "value": "a", "must": "not be set: there is no such parameter"}]
    refused(daemon.call("POST", "/agents/my-agent/run?wait=1", "x"), 400, "query.wait")
    refused(daemon.call("GET", "/agents/my-agent/kv?prefix=a&prefix=b"), 400, "be given once")
    for limit in ("0", "1001", "-1", "x", ""):
        refused(daemon.call("GET", f"/agents/my-agent/kv?limit={limit}"), 400, "query.limit")
    for cursor in ("x", "0", "-3", "99999999999999999999"):
        refused(daemon.call("GET", f"/agents/my-agent/ticks?cursor={cursor}"), 400, "query.cursor")
    refused(daemon.call("GET", "/agents/my-agent/ticks?cursor=12345"), 404, "12345")
    refused(daemon.call("GET", "/agents/%zz"), 400)
    refused(daemon.call("GET", "/agents/../agents"), 400)


def test_keys_and_values_out_of_bounds(daemon):
    path = "/agents/my-agent/kv/"
    refused(daemon.call("PUT", path + "k" * 513, "v"), 400, "1 to 512 bytes")
    refused(daemon.call("PUT", path + "%ff", "v"), 400)
    refused(daemon.call("PUT", path + "a%00b", "v"), 400)
    refused(daemon.call("PUT", path + "k", b"x" * (2 * 1024 * 1024 + 1)), 413, "2097152")
    assert daemon.call("PUT", path + "k", b"x" * (2 * 1024 * 1024)).status == 201
    refused(daemon.call("PUT", path + "k", "v", {"If-None-Match": '"1-1"'}), 400, "If-None-Match")


def test_bodies_and_headers_over_the_limit(start):
    daemon = start("serve", "--body-bytes", "1Ki")
    daemon.call("POST", "/agents", runtime.manifest())
    head = b"POST /agents/my-agent/run HTTP/1.1\r\nHost: localhost\r\n"
    assert daemon.raw(head + b"Content-Length: 1025\r\n\r\n" + b"x" * 1025).startswith(b"HTTP/1.1 413")
    chunks = (b"400\r\n" + b"x" * 1024 + b"\r\n") * 2 + b"0\r\n\r\n"
    assert daemon.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).startswith(b"HTTP/1.1 413")
    assert daemon.raw(head + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert daemon.notes("my-agent") == []
    assert daemon.run("my-agent", "still here") == "noted: still here"


def test_bytes_that_are_no_http(daemon):
    for data in (b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        answer = daemon.raw(data)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer
    assert daemon.call("GET", "/healthz").status == 200


def test_requests_that_end_in_the_middle_change_nothing(daemon):
    whole = b"POST /agents/my-agent/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\nremember milk!"
    for size in range(0, len(whole), 7):
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as connection:
            connection.sendall(whole[:size])
    assert daemon.run("my-agent", "list") == []


def test_a_slow_client_holds_up_nobody(daemon):
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=30) as slow:
        slow.sendall(b"POST /agents/my-agent/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 13\r\n\r\nremember")
        for i in range(20):
            assert daemon.run("my-agent", f"note {i}") == f"noted: note {i}"
        slow.sendall(b" milk")
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
    assert daemon.notes("my-agent")[-1] == "milk"


def test_a_queue_that_is_full_says_try_again(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest(inbox="{capacity: 1}"))
    # Each failing note waits for its back-off: one place is soon not enough.
    waiting = [daemon.connect() for _ in range(8)]
    for connection in waiting:
        connection.request("POST", "/agents/my-agent/run", "fail")
    answers = []
    for connection in waiting:
        response = connection.getresponse()
        answers.append((response.status, response.headers.get("Retry-After"), response.read()))
        connection.close()
    statuses = {status for status, _, _ in answers}
    assert statuses == {200, 429}, answers
    assert all(retry == "1" for status, retry, _ in answers if status == 429)


def test_bad_arguments_exit_with_2_and_say_why(start, tmp_path):
    broken = tmp_path / "broken.yaml"
    broken.write_text(runtime.manifest().replace("replicas: 1", "replicas: many"))
    config = tmp_path / "config.yaml"
    config.write_text("runTimeout: soon\n")
    for arguments, words in ((("--bogus",), "--bogus"), (("--run-timeout", "7"), "--run-timeout"),
                             (("--agent", str(broken)), "spec.replicas"),
                             (("--agent", str(tmp_path / "none.yaml")), "none.yaml"),
                             (("--config", str(config)), "runTimeout")):
        one = start("serve", *arguments, data="other", wait=False)
        assert one.wait() == 2, one.log()
        assert words in one.log()
    pod = start("pod", data="pod", wait=False, env={"AGENT_NAME": "x"})
    assert pod.wait() == 2 and "AGENT_NAMESPACE" in pod.log()
