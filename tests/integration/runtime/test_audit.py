"""The audit log: what its hashes and signatures tell, and what they do when somebody changes it."""

import base64
import datetime
import hashlib
import json
import sqlite3
import stat
import struct
import subprocess

import pytest

import runtime

AGENT = "default/my-agent"


@pytest.fixture
def audited(daemon):
    """A daemon whose agent has six records: five successes, and a failure that was tried again."""
    for text in ["remember one", "remember two", "list", "count"]:
        daemon.run("my-agent", text)
    daemon.run("my-agent", "fail")
    return daemon


def records(daemon: runtime.Runtime, limit: int = 100) -> list[dict]:
    """Oldest first."""
    found, cursor = [], ""
    while True:
        page = daemon.call("GET", f"/agents/my-agent/audit?limit={limit}{cursor}").json
        found += page["items"]
        if "cursor" not in page:
            return found[::-1]
        cursor = f"&cursor={page['cursor']}"


def micros(time: str) -> int:
    when = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    return (when - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def number(value: int) -> bytes:
    return struct.pack(">q", value)


def text(value: str) -> bytes:
    return number(len(value.encode())) + value.encode()


def next_hash(previous: bytes, record: dict) -> bytes:
    """As docs/verbs/audit.md has it."""
    return hashlib.sha256(previous + b"\x01" + text(AGENT) + number(record["sequence"]) + number(record["kind"])
                          + number(record["tick"]) + number(micros(record["time"])) + text(record["record"])).digest()


def verify(tmp_path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([runtime.BINARY, "verify", "--data-dir", str(tmp_path / "data"), *arguments],
                          capture_output=True, text=True, timeout=60)


def tamper(tmp_path, sql: str, *values) -> None:
    database = sqlite3.connect(tmp_path / "data" / "agents.db")
    database.execute(sql, values)
    database.commit()
    database.close()


def test_anyone_can_follow_the_chain(audited):
    chain = records(audited, limit=2)
    assert [record["sequence"] for record in chain] == list(range(1, len(chain) + 1))
    assert len(chain) >= 5
    previous = bytes(32)
    for record in chain:
        previous = next_hash(previous, record)
        assert record["hash"] == previous.hex()
        assert json.loads(record["record"])["envelopeId"]
    assert audited.call("GET", "/agents/my-agent/audit/head").json["hash"] == previous.hex()


def test_the_head_is_signed_with_a_key_that_stays(audited, start, tmp_path):
    head = audited.call("GET", "/agents/my-agent/audit/head").json
    key = audited.call("GET", "/agents/my-agent/audit/key")
    assert (head["agent"], head["sequence"]) == (AGENT, len(records(audited)))
    message = text("openagents.com/audit-anchor/v1") + text(AGENT) + number(head["sequence"])
    message += bytes.fromhex(head["hash"]) + number(micros(head["time"]))
    for name, content in [("key", key.body), ("message", message), ("signature", base64.b64decode(head["signature"]))]:
        (tmp_path / name).write_bytes(content)
    subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", tmp_path / "key", "-rawin",
                    "-in", tmp_path / "message", "-sigfile", tmp_path / "signature"], check=True, capture_output=True)
    assert stat.S_IMODE((tmp_path / "data" / "signing.key").stat().st_mode) == 0o600
    audited.kill()
    assert start().call("GET", "/agents/my-agent/audit/key").body == key.body


def test_a_whole_log_is_found_whole_served_or_not(audited, tmp_path):
    count = len(records(audited))
    served = verify(tmp_path, "--agent", "my-agent")
    assert (served.returncode, served.stderr) == (0, "")
    assert served.stdout.startswith(f"{AGENT}: records 1 to {count} are whole")
    assert audited.stop() == 0
    assert verify(tmp_path).stdout == served.stdout
    assert verify(tmp_path, "--agent", "nobody").returncode == 1


@pytest.mark.parametrize("sql", [
    "UPDATE log SET record = replace(record, 'Committed', 'Withdrawn') WHERE kind = 1 AND number = 3",
    "UPDATE log SET time = time + 1 WHERE kind = 1 AND number = 3",
    "UPDATE log SET hash = zeroblob(32) WHERE kind = 1 AND number = 3",
    "UPDATE log SET number = 30 WHERE kind = 1 AND number = 3",
    "UPDATE log SET prev = (SELECT prev FROM log WHERE kind = 1 AND number = 3) WHERE kind = 1 AND number = 4",
])
def test_the_first_record_that_was_touched_is_named(audited, tmp_path, sql):
    audited.kill()
    tamper(tmp_path, sql)
    found = verify(tmp_path)
    assert found.returncode == 1
    assert found.stdout.startswith("broken: audit record ")
    assert found.stdout.split()[3] in ("3", "30", "4")


def test_a_log_that_was_made_again_is_told_by_the_head_that_somebody_kept(audited, tmp_path):
    kept = [(tmp_path / "head.json", audited.call("GET", "/agents/my-agent/audit/head").body),
            (tmp_path / "key.pem", audited.call("GET", "/agents/my-agent/audit/key").body)]
    for path, content in kept:
        path.write_bytes(content)
    against_head = ["--head", str(kept[0][0]), "--key", str(kept[1][0])]
    audited.run("my-agent", "count")
    assert verify(tmp_path, *against_head).returncode == 0
    chain = records(audited)
    audited.kill()
    # The last two records are taken away, with all that names them: the log is whole by itself.
    last = chain[-3]
    tamper(tmp_path, "UPDATE state SET number = ?, hash = ?, log = (SELECT id FROM log WHERE kind = 1 AND number = ?)",
           last["sequence"], bytes.fromhex(last["hash"]), last["sequence"])
    assert verify(tmp_path).returncode == 0
    found = verify(tmp_path, *against_head)
    assert found.returncode == 1
    assert "is signed, but the log ends with record" in found.stdout
    forged = json.loads(kept[0][1])
    forged["sequence"] = 1
    kept[0][0].write_text(json.dumps(forged))
    found = verify(tmp_path, *against_head)
    assert found.returncode == 1
    assert "must be signed with the given key" in found.stdout


def test_what_cannot_be_looked_at_is_no_whole_log(tmp_path):
    found = verify(tmp_path)
    assert found.returncode == 1
    assert "there must be a database" in found.stdout
    assert subprocess.run([runtime.BINARY, "verify"], capture_output=True).returncode == 2
    assert verify(tmp_path, "--head", "x").returncode == 2


def test_the_signing_key_is_shown_nowhere(audited, tmp_path):
    secret = "".join((tmp_path / "data" / "signing.key").read_text().splitlines()[1:-1])
    shown = [audited.log(), verify(tmp_path).stdout]
    for path in ["", "/state", "/ticks", "/status", "/audit", "/audit/head", "/audit/key"]:
        shown.append(audited.call("GET", "/agents/my-agent" + path).body.decode())
    raw = base64.b64decode(secret)[-32:]
    for form in [secret, raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()]:
        assert not any(form.rstrip("=") in text for text in shown)
    database = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("agents.db*"))
    assert raw not in database and secret.encode() not in database
