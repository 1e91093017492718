"""An agent moves whole: from one daemon to another, as a clone, and by its keys."""

import hashlib
import io
import json
import subprocess
import tarfile
import threading

import pytest

import runtime

ARCHIVE = {"Content-Type": "application/x-tar"}
EPOCH_MEMBERS = {"exportedAt", "epoch", "audit", "head"}


@pytest.fixture
def origin(daemon):
    """A daemon whose agent has something of everything that does not run by itself."""
    for text in ["remember milk", "remember bread", "remind me in 30h: call Ada"]:
        daemon.run("my-agent", text)
    assert daemon.call("PUT", "/agents/my-agent/kv/text", "värde", {"Content-Type": "text/plain"}).status == 201
    assert daemon.call("PUT", "/agents/my-agent/kv/bytes", b"\x00\xff\xfe", {"Content-Type": "image/x"}).status == 201
    again = daemon.call("POST", "/agents/my-agent/run", "remember once", {"Idempotency-Key": "once"})
    assert again.status == 200
    return daemon


@pytest.fixture
def other(start):
    return start(data="other")


def export(daemon: runtime.Runtime, name: str = "my-agent") -> bytes:
    answer = daemon.call("GET", f"/agents/{name}/export")
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/x-tar"
    return answer.body


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def take(daemon: runtime.Runtime, archive: bytes, mode: str, name: str = "my-agent") -> runtime.Answer:
    return daemon.call("POST", f"/agents/{name}/import?mode={mode}", archive, ARCHIVE)


def rows(archive: bytes) -> dict[tuple[str, str], dict]:
    lines = [json.loads(line) for line in members(archive)["rows.jsonl"].splitlines()]
    return {(line["kind"], line["key"]): line for line in lines}


def repacked(archive: bytes, change) -> bytes:
    """The same archive with other members, and the digest that belongs to them."""
    content = members(archive)
    del content["digest.txt"]
    change(content)
    out = io.BytesIO()

    def add(name: str, data: bytes) -> None:
        header = tarfile.TarInfo(name)
        header.size = len(data)
        out.write(header.tobuf(tarfile.USTAR_FORMAT))
        out.write(data + b"\0" * (-len(data) % 512))
    for name, data in content.items():
        add(name, data)
    add("digest.txt", f"sha256 {hashlib.sha256(out.getvalue()).hexdigest()}\n".encode())
    return out.getvalue() + b"\0" * 1024


def test_an_archive_is_a_tar_file_with_everything_but_secrets(origin, tmp_path):
    secret = tmp_path / "data" / "secrets" / "s"
    secret.mkdir(parents=True)
    (secret / "key").write_text("hunter2-and-more")
    archive = export(origin)
    content = members(archive)
    assert list(content) == ["manifest.json", "state.json", "rows.jsonl", "log.jsonl", "digest.txt"]
    assert content["digest.txt"].decode().split()[0] == "sha256"
    assert [note["text"] for note in json.loads(content["state.json"])["notes"]] == ["milk", "bread", "once"]
    found = rows(archive)
    assert found["kv", "text"]["value"] == "värde" and found["kv", "bytes"]["valueBase64"] == "AP/+"
    assert sum(kind == "alarm" for kind, _ in found) == 1
    assert sum(kind == "replay" for kind, _ in found) == 1
    key = "".join((tmp_path / "data" / "signing.key").read_text().splitlines()[1:-1])
    assert b"hunter2-and-more" not in archive and key.encode() not in archive
    assert list((tmp_path / "data").glob("archive-*")) == []
    assert origin.call("GET", "/agents/nobody/export").status == 404


def test_a_restored_agent_is_the_same(origin, other):
    archive = export(origin)
    uid = origin.call("GET", "/agents/my-agent").json["metadata"]["uid"]
    taken = take(other, archive, "restore")
    assert (taken.status, taken.json["uid"]) == (201, uid)
    assert taken.headers["Location"].endswith("/agents/my-agent")
    # Nothing of it differs, but for when and where it was exported.
    first, second = members(archive), members(export(other))
    for name in ["state.json", "rows.jsonl", "log.jsonl"]:
        assert second[name] == first[name], name
    before, after = (json.loads(content["manifest.json"]) for content in (first, second))
    assert {**before, **dict.fromkeys(EPOCH_MEMBERS)} == {**after, **dict.fromkeys(EPOCH_MEMBERS)}
    assert before["head"] == after["head"]
    assert before["audit"]["head"]["hash"] == after["audit"]["head"]["hash"]
    # And it goes on as if nothing had been.
    assert other.run("my-agent", "list") == ["milk", "bread", "once"]
    repeat = other.call("POST", "/agents/my-agent/run", "remember once", {"Idempotency-Key": "once"})
    assert repeat.json["output"] == "noted: once" and other.notes("my-agent").count("once") == 1
    assert other.call("GET", "/agents/my-agent/kv/bytes").body == b"\x00\xff\xfe"
    assert len(other.call("GET", "/agents/my-agent/alarms").json["items"]) == 1


def test_what_waits_is_worked_off_where_it_is_restored(start, other):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    daemon.run("my-agent", "remind me in 2s: soon")
    archive = export(daemon)
    daemon.kill()
    assert take(other, archive, "restore").status == 201
    runtime.wait_until(lambda: other.notes("my-agent") == ["reminder: soon"], "the alarm to run")


def test_restore_never_takes_the_place_of_an_agent_that_has_worked(origin, other):
    archive = export(origin)
    refused = take(origin, archive, "restore")
    assert (refused.status, refused.json["reason"]) == (409, "AlreadyExists")
    assert other.call("POST", "/agents", runtime.manifest()).status == 201
    uid = other.call("GET", "/agents/my-agent").json["metadata"]["uid"]
    assert take(other, archive, "restore").json["uid"] == uid, "it had done nothing yet"
    assert other.run("my-agent", "list") == ["milk", "bread", "once"]
    assert take(other, archive, "restore").status == 409
    renamed = take(other, archive, "restore", "renamed")
    assert renamed.status == 400 and "mode=clone" in renamed.json["detail"]


def test_a_clone_knows_the_same_and_is_another(origin):
    archive = export(origin)
    uid = origin.call("GET", "/agents/my-agent").json["metadata"]["uid"]
    taken = take(origin, archive, "clone", "twin")
    assert taken.status == 201 and taken.json["uid"] != uid
    assert origin.run("twin", "list") == ["milk", "bread", "once"]
    repeat = origin.call("POST", "/agents/twin/run", "remember once", {"Idempotency-Key": "once"})
    assert repeat.json["output"] == "noted: once" and origin.notes("twin").count("once") == 2
    assert origin.notes("my-agent").count("once") == 1
    oldest = origin.call("GET", "/agents/twin/audit").json["items"][-1]
    assert oldest["sequence"] == 1
    assert json.loads(oldest["record"])["origin"]["agent"] == "default/my-agent"
    assert origin.call("GET", "/agents/twin").json["metadata"]["name"] == "twin"


def test_a_merge_adds_the_keys_that_are_not_there(origin, other):
    archive = export(origin)
    assert take(other, archive, "merge").status == 404
    other.call("POST", "/agents", runtime.manifest())
    other.call("PUT", "/agents/my-agent/kv/text", "mine")
    assert take(other, archive, "merge").status == 200
    assert other.call("GET", "/agents/my-agent/kv/text").body == b"mine"
    assert other.call("GET", "/agents/my-agent/kv/bytes").body == b"\x00\xff\xfe"
    assert other.notes("my-agent") == []


def test_an_archive_that_is_not_whole_changes_nothing(origin, other):
    archive = export(origin)

    def refuse(changed: bytes, reason: str, status: int = 400) -> None:
        answer = take(other, changed, "restore")
        assert (answer.status, answer.json["reason"]) == (status, reason), answer.json
        assert other.call("GET", "/agents/my-agent").status == 404

    def edit(name: str, old: bytes, new: bytes) -> bytes:
        def change(content: dict[str, bytes]) -> None:
            assert old in content[name]
            content[name] = content[name].replace(old, new, 1)
        return repacked(archive, change)

    assert take(other, repacked(archive, lambda content: None), "clone", "fine").status == 201
    refuse(b"", "ArchiveDamaged")
    refuse(archive[:-2048], "ArchiveDamaged")
    refuse(archive.replace(b"milk", b"silk"), "ArchiveDamaged")
    refuse(edit("log.jsonl", b"Committed", b"Withdrawn"), "AuditChainBroken")
    refuse(edit("manifest.json", b'"version": 1', b'"version": 2'), "ArchiveTooNew")
    refuse(edit("rows.jsonl", b'"kind":"alarm"', b'"kind":"kv"'), "ArchiveDamaged")
    assert take(other, archive, "frob").status == 400
    assert other.call("POST", "/agents/my-agent/import", archive).status == 400


def test_an_archive_larger_than_the_agent_may_be_is_refused(start, other):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    daemon.run("my-agent", "big 200000")
    archive = export(daemon)
    other.call("POST", "/agents", runtime.manifest(max_storage="64Ki"))
    refused = take(other, archive, "restore")
    assert (refused.status, refused.json["code"]) == (507, "LIMIT_EXCEEDED")
    assert other.call("GET", "/agents/my-agent/kv").json["items"] == []
    assert take(other, archive, "merge").status == 507


def test_an_import_is_whole_or_not_at_all_when_the_process_is_killed(start):
    daemon = start()
    daemon.call("POST", "/agents", runtime.manifest())
    for _ in range(3):
        daemon.run("my-agent", "big 2000000")
        daemon.run("my-agent", "remember something")
    archive = export(daemon)
    expected = members(archive)["rows.jsonl"]
    target = start(data="target")
    for cycle in range(8):
        sender = threading.Thread(target=_send, args=(target, archive))
        sender.start()
        # Sooner or later in the import: how far it is decides the clock.
        threading.Event().wait(0.02 * cycle)
        target.kill()
        sender.join()
        target = start(data="target")
        there = target.call("GET", "/agents/my-agent").status == 200
        if there:
            assert members(export(target))["rows.jsonl"] == expected
            assert target.call("DELETE", "/agents/my-agent").status == 204
    assert target.stop() == 0
    found = subprocess.run([runtime.BINARY, "verify", "--data-dir", str(target.log_path.with_name("target"))],
                           capture_output=True)
    assert found.returncode == 0


def _send(target: runtime.Runtime, archive: bytes) -> None:
    try:
        take(target, archive, "restore")
    except OSError:
        pass  # it was killed


def test_an_export_can_be_verified_without_a_runtime(origin, tmp_path):
    file = tmp_path / "agent.tar"
    file.write_bytes(export(origin))
    key = tmp_path / "key.pem"
    key.write_bytes(origin.call("GET", "/agents/my-agent/audit/key").body)

    def verify(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([runtime.BINARY, "verify", "--file", str(file), *arguments], capture_output=True, text=True)
    assert verify("--key", str(key)).stdout.startswith("default/my-agent: records 1 to ")
    assert verify().returncode == 0
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp_path / "other"], check=True)
    subprocess.run(["openssl", "pkey", "-in", tmp_path / "other", "-pubout", "-out", key], check=True)
    assert verify("--key", str(key)).returncode == 1
    file.write_bytes(file.read_bytes().replace(b"bread", b"beer!"))
    broken = verify()
    assert broken.returncode == 1 and broken.stdout.startswith("broken: ")


def test_a_pod_takes_an_agent_from_a_daemon_and_keeps_its_own_identity(origin, start):
    pod = start("pod", data="pod", env=runtime.pod_env())
    taken = pod.call("POST", "/import?mode=restore", export(origin), ARCHIVE)
    assert (taken.status, taken.json["uid"]) == (201, "uid-of-my-agent")
    assert pod.call("POST", "/run", "list").json["output"] == ["milk", "bread", "once"]
    back = pod.call("GET", "/export").body
    origin.call("DELETE", "/agents/my-agent")
    assert take(origin, back, "restore").status == 201
    assert origin.run("my-agent", "list") == ["milk", "bread", "once"]
