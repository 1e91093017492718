"""Signed webhooks: taken once they are on disk, and told apart by the ids of their senders."""

import base64
import hashlib
import hmac
import json
import time

import pytest

import runtime

SECRETS = {"github": "It's a Secret", "stripe": "whsec_stripe", "slack": "8f742231b10e",
           "own": "tell-nobody", "standard": "whsec_" + base64.b64encode(b"standard webhooks key").decode()}
SCHEMES = {"github": "GitHub", "stripe": "Stripe", "slack": "Slack", "own": "HmacSha256",
           "standard": "StandardWebhooks"}


def manifest() -> str:
    return json.dumps({
        "apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": "my-agent"},
        "spec": {"webhooks": [{"source": source, "scheme": scheme, "secretRef": {"name": "hooks", "key": source}}
                              for source, scheme in SCHEMES.items()]}})


@pytest.fixture
def daemon(start, tmp_path):
    keys = tmp_path / "data" / "secrets" / "hooks"
    keys.mkdir(parents=True)
    for source, secret in SECRETS.items():
        (keys / source).write_text(secret + "\n")
    one = start()
    assert one.call("POST", "/agents", manifest()).status == 201
    return one


def sign(secret: str, *parts: bytes) -> bytes:
    return hmac.new(secret.encode(), b"".join(parts), hashlib.sha256).digest()


def headers_for(source: str, body: bytes, delivery: str = "d-1", secret: str | None = None,
                at: float | None = None) -> dict[str, str]:
    secret = secret or SECRETS[source]
    now = str(int(time.time() if at is None else at))
    stamp = now.encode()
    json_type = {"Content-Type": "application/json"}
    if source == "github":
        return {**json_type, "X-Hub-Signature-256": "sha256=" + sign(secret, body).hex(), "X-GitHub-Delivery": delivery}
    if source == "stripe":
        return {**json_type, "Stripe-Signature": f"t={now},v1={sign(secret, stamp, b'.', body).hex()}"}
    if source == "slack":
        return {**json_type, "X-Slack-Request-Timestamp": now,
                "X-Slack-Signature": "v0=" + sign(secret, b"v0:", stamp, b":", body).hex()}
    if source == "standard":
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = hmac.new(key, delivery.encode() + b"." + stamp + b"." + body, hashlib.sha256).digest()
        return {**json_type, "webhook-id": delivery, "webhook-timestamp": now,
                "webhook-signature": "v1," + base64.b64encode(signed).decode()}
    return {**json_type, "Agent-Timestamp": now, "Agent-Signature": "v1=" + sign(secret, stamp, b".", body).hex()}


def post(daemon: runtime.Runtime, source: str, body: bytes, headers: dict[str, str]) -> runtime.Answer:
    return daemon.call("POST", f"/agents/my-agent/webhooks/{source}", body, headers)


def outcome(daemon: runtime.Runtime, envelope: str) -> dict:
    def over():
        document = daemon.call("GET", f"/agents/my-agent/envelopes/{envelope}").json
        return document if document.get("status") not in ("Queued", "Running") else None
    return runtime.wait_until(over, f"the end of {envelope}")


def test_each_scheme_is_verified_and_its_delivery_processed(daemon):
    for source in SCHEMES:
        body = json.dumps({"id": f"id-{source}", "event_id": f"id-{source}", "text": f"from {source}"}).encode()
        answer = post(daemon, source, body, headers_for(source, body, f"id-{source}"))
        assert answer.status == 202, answer
        envelope = answer.json["envelopeId"]
        assert envelope.startswith(source + ":")
        assert answer.headers["Location"].endswith("/envelopes/" + envelope.replace(":", "%3A"))
        assert outcome(daemon, envelope)["status"] == "Succeeded"
    assert sorted(daemon.notes("my-agent")) == sorted(f"from {source}" for source in SCHEMES)


def test_a_repeated_delivery_is_taken_once_also_after_a_crash(daemon, start):
    body = b'{"text": "pushed"}'
    first = post(daemon, "github", body, headers_for("github", body, "72d3162e"))
    assert first.json == {"envelopeId": "github:72d3162e"}
    daemon.kill()
    again = start()
    second = post(again, "github", body, headers_for("github", body, "72d3162e"))
    assert (second.status, second.json) == (202, {"envelopeId": "github:72d3162e", "duplicate": True})
    assert outcome(again, "github:72d3162e")["status"] == "Succeeded"
    assert again.notes("my-agent") == ["pushed"]


def test_what_is_not_signed_well_is_refused_and_changes_nothing(daemon):
    body = b'{"text": "forged"}'
    cases = [
        ({}, "SignatureMissing"),
        (headers_for("own", body, secret="guessed"), "SignatureInvalid"),
        (headers_for("own", body + b" "), "SignatureInvalid"),
        (headers_for("own", body, at=time.time() - 3600), "TimestampOutsideWindow"),
        (headers_for("own", body, at=time.time() + 3600), "TimestampOutsideWindow"),
    ]
    for headers, reason in cases:
        refused = post(daemon, "own", body, headers)
        assert (refused.status, refused.json["reason"]) == (401, reason)
    unknown = post(daemon, "gitlab", body, headers_for("github", body))
    assert (unknown.status, unknown.json["code"]) == (404, "NOT_FOUND")
    assert daemon.call("POST", "/agents/other/webhooks/github", body, headers_for("github", body)).status == 404
    broken = b'{"text"'
    assert post(daemon, "own", broken, headers_for("own", broken)).status == 400
    assert daemon.notes("my-agent") == []


def test_both_secrets_count_while_one_takes_the_place_of_the_other(daemon, tmp_path):
    key = tmp_path / "data" / "secrets" / "hooks" / "github"
    key.write_text("new\r\nold\n")
    for number, secret in enumerate(["new", "old"]):
        body = b"%d" % number
        assert post(daemon, "github", body, headers_for("github", body, f"r-{number}", secret)).status == 202
    key.write_text("new")
    body = b'"too late"'
    assert post(daemon, "github", body, headers_for("github", body, "r-9", "old")).status == 401


def test_a_secret_that_is_not_there_is_no_fault_of_the_sender(daemon, tmp_path):
    (tmp_path / "data" / "secrets" / "hooks" / "github").unlink()
    body = b"{}"
    refused = post(daemon, "github", body, headers_for("github", body))
    assert (refused.status, refused.json["reason"], refused.json["retryable"]) == (503, "SecretMissing", True)


def test_secrets_are_shown_nowhere(daemon):
    for source in SCHEMES:
        body = json.dumps({"text": "hello"}).encode()
        post(daemon, source, body, headers_for(source, body, "s-1"))
        post(daemon, source, body, headers_for(source, body + b"!", "s-2"))
    shown = [daemon.log()]
    for path in ["", "/state", "/ticks", "/status", "/deadletters", "/kv"]:
        shown.append(daemon.call("GET", "/agents/my-agent" + path).body.decode())
    for secret in SECRETS.values():
        assert not any(secret in text for text in shown)
