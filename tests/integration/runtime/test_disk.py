"""Disks that fill up: nothing half, nothing acknowledged that is not there."""

import os
import pathlib
import resource
import shutil
import subprocess

import pytest

import runtime


def fill(daemon, first=0):
    """Writes until it is refused; returns the acknowledged keys and the refusal (None: no answer)."""
    acknowledged = []
    for i in range(first, first + 400):
        try:
            answer = daemon.call("PUT", f"/agents/my-agent/kv/{i}", bytes([i % 256]) * 500_000,
                                 connection=daemon.connect(timeout=5))
        except OSError:
            return acknowledged, None
        if answer.status != 201:
            return acknowledged, answer
        acknowledged.append(i)
    raise AssertionError("the disk never filled up")


def fill_for_good(daemon, directory):
    """Goes on filling while the emptied write-ahead log makes room again."""
    root = pathlib.Path(f"/proc/{daemon.process.pid}/root") / directory.relative_to("/")

    def settled():
        # A truncated file gives its space back a little after it has become short.
        files = {path.name: path.stat().st_size for path in root.rglob("*") if path.is_file()}
        disk = os.statvfs(root)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        return files.get("agents.db-wal") == 0 and used < sum(files.values()) + 100_000

    acknowledged, refusal = [], None
    while daemon.call("GET", "/readyz").status == 200:
        more, refusal = fill(daemon, len(acknowledged))
        acknowledged += more
        runtime.wait_until(settled, "the log to be emptied")
    return acknowledged, refusal


def check(daemon, acknowledged):
    for i in acknowledged:
        answer = daemon.call("GET", f"/agents/my-agent/kv/{i}")
        assert answer.status == 200 and answer.body == bytes([i % 256]) * 500_000


def test_a_file_that_may_not_grow_closes_the_database_and_loses_nothing(start):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))

    daemon = start("serve", "--drain-timeout", "200ms", preexec=limit)
    daemon.call("POST", "/agents", runtime.manifest())
    acknowledged, refusal = fill(daemon)
    assert len(acknowledged) >= 5
    # Whether the last write took place is unknown: it has no answer, or one that does not claim it.
    assert refusal is None or refusal.status in (503, 507)
    runtime.wait_until(lambda: daemon.call("GET", "/readyz").status != 200, "readiness to go")
    assert daemon.call("POST", "/agents/my-agent/run", "x").status in (503, 507)
    check(daemon, acknowledged)
    assert any("check the disk, then restart" in line.get("msg", "") for line in daemon.log_lines())
    assert daemon.call("GET", "/healthz").status == 503
    # The request of unknown outcome is still open; the drain gives it up.
    assert daemon.stop() == 0
    check(start(), acknowledged)


@pytest.fixture
def small_disk(tmp_path):
    """A command prefix that mounts a small tmpfs on tmp_path/small, in a namespace of its own."""
    directory = tmp_path / "small"
    directory.mkdir()
    unshare = shutil.which("unshare")
    script = f'mount -t tmpfs -o size=160m,mode=700 none "{directory}" && head -c 60000000 /dev/zero > "{directory}/ballast" && exec "$@"'
    prefix = [unshare or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if unshare is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs user namespaces that may mount a tmpfs")
    return directory, prefix


def test_a_disk_that_is_nearly_full_takes_nothing_new_until_there_is_room(start, small_disk):
    directory, prefix = small_disk
    daemon = start(data=str(directory / "data"), wrap=prefix)
    daemon.call("POST", "/agents", runtime.manifest())
    acknowledged, refusal = fill_for_good(daemon, directory)
    assert refusal.status == 507 and refusal.json["reason"] == "StorageFull", refusal
    assert daemon.call("GET", "/readyz").status == 507
    assert daemon.admin("/readyz").status == 507
    assert daemon.call("POST", "/agents/my-agent/run", "x").json["reason"] == "StorageFull"
    assert daemon.call("GET", "/healthz").status == 200
    check(daemon, acknowledged)
    assert daemon.call("POST", "/agents", runtime.manifest("other")).status == 507
    (pathlib.Path(f"/proc/{daemon.process.pid}/root") / directory.relative_to("/") / "ballast").unlink()
    assert daemon.call("GET", "/readyz").status == 200
    assert daemon.run("my-agent", "there is room again") == "noted: there is room again"
    check(daemon, acknowledged)


def test_a_disk_that_is_nearly_full_still_takes_deletions(start, small_disk):
    directory, prefix = small_disk
    daemon = start(data=str(directory / "data"), wrap=prefix)
    daemon.call("POST", "/agents", runtime.manifest())
    fill(daemon)
    assert daemon.call("DELETE", "/agents/my-agent").status == 204
