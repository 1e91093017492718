"""How the process starts, who may start it, and how it ends."""

import concurrent.futures
import signal
import sqlite3
import subprocess

import runtime


def test_version_and_help(tmp_path):
    def output(*arguments):
        done = subprocess.run([runtime.BINARY, *arguments], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done
        return done.stdout

    assert output("--version").startswith("agent-runtime ")
    text = output("--help")
    for word in ("--listen", "AGENT_LISTEN", "127.0.0.1:8080", ":8080", "/var/lib/openagents", "--spec-file",
                 "AGENT_SPEC_FILE", "--agent", "--version"):
        assert word in text, word
    assert subprocess.run([runtime.BINARY], capture_output=True, timeout=30, check=False).returncode == 2


def test_flags_win_over_environment_over_file(start, tmp_path):
    (tmp_path / "config.yaml").write_text("logFormat: text\nlogLevel: warn\n")
    quiet = start("serve", env={"AGENT_CONFIG": str(tmp_path / "config.yaml")})
    assert quiet.stop() == 0
    assert quiet.log() == ""
    loud = start("serve", "--log-format", "json", env={"AGENT_CONFIG": str(tmp_path / "config.yaml"),
                                                      "AGENT_LOG_LEVEL": "info", "AGENT_LOG_FORMAT": "text"})
    assert loud.stop() == 0
    assert loud.log_lines()[0]["msg"] == "starting"


def test_agents_named_at_start_are_there(start, tmp_path):
    (tmp_path / "a.yaml").write_text(runtime.manifest("a"))
    (tmp_path / "b.yaml").write_text(runtime.manifest("b"))
    arguments = ("serve", "--agent", str(tmp_path / "a.yaml"), "--agent", str(tmp_path / "b.yaml"))
    daemon = start(*arguments)
    assert daemon.run("a", "one") == "noted: one"
    assert daemon.run("b", "list") == []
    assert daemon.stop() == 0
    assert start(*arguments).run("a", "list") == ["one"]


def test_two_notes_outlive_kill_9(daemon, start):
    daemon.run("my-agent", "one")
    daemon.run("my-agent", "two")
    before = daemon.call("GET", "/agents/my-agent/status").json
    daemon.kill()
    again = start()
    assert again.run("my-agent", "list") == ["one", "two"]
    after = again.call("GET", "/agents/my-agent/status").json
    assert after["epoch"] == before["epoch"] + 1
    assert after["lastTickId"] == "t-000000000003" and after["uid"] == before["uid"]


def test_a_locked_data_directory_exits_with_3(daemon, start):
    second = start(wait=False)
    assert second.wait() == 3
    assert "must not be in use" in second.log()
    assert daemon.run("my-agent", "still fine") == "noted: still fine"


def test_a_pod_waits_for_the_lock_of_the_one_before(start):
    first = start("pod", env=runtime.pod_env())
    first.call("POST", "/run", "one")
    second = start("pod", env=runtime.pod_env(), wait=False)
    runtime.wait_until(lambda: "starting" in second.log() and second.process.poll() is None, "the second pod")
    assert first.stop() == 0
    runtime.wait_until(second._answers, "the second pod to answer")
    assert [note["text"] for note in second.call("GET", "/state").json["notes"]] == ["one"]


def test_a_pod_that_waits_for_the_lock_can_be_stopped(start):
    first = start("pod", env=runtime.pod_env())
    second = start("pod", env=runtime.pod_env(), data="data", wait=False)
    runtime.wait_until(lambda: second.log().count('"starting"') == 2, "the second pod to begin")
    assert second.stop() == 0
    assert first.call("GET", "/readyz").status == 200


def test_the_database_of_another_agent_exits_with_4(start):
    first = start("pod", env=runtime.pod_env("a"))
    first.call("POST", "/run", "mine")
    assert first.stop() == 0
    other = start("pod", env=runtime.pod_env("b"), wait=False)
    assert other.wait() == 4
    assert "default/a" in other.log()
    again = start("pod", env=runtime.pod_env("a"))
    assert again.call("GET", "/state").json["notes"][0]["text"] == "mine"
    assert again.call("GET", "/status").json["epoch"] == 2


def test_a_disk_that_is_taken_over_gets_the_new_uid(start):
    first = start("pod", env=runtime.pod_env())
    first.call("POST", "/run", "kept")
    first.stop()
    again = start("pod", env={**runtime.pod_env(), "AGENT_UID": "another"})
    assert again.call("GET", "/status").json["uid"] == "another"
    assert again.call("GET", "/state").json["notes"][0]["text"] == "kept"


def test_a_newer_database_exits_with_3_unless_it_allows_this_program(daemon, start, tmp_path):
    daemon.run("my-agent", "one")
    assert daemon.stop() == 0

    def set_version(schema, min_reader):
        with sqlite3.connect(tmp_path / "data" / "agents.db") as database:
            database.execute("UPDATE schema_version SET schema = ?, min_reader = ?", (schema, min_reader))
        database.close()

    set_version(1000, 999)
    newer = start(wait=False)
    assert newer.wait() == 3
    assert "schema 1000" in newer.log()
    set_version(1000, 1)
    assert start().run("my-agent", "list") == ["one"]


def test_an_address_in_use_exits_with_1(daemon, start):
    second = start("serve", "--listen", f"127.0.0.1:{daemon.port}", data="other", wait=False)
    assert second.wait() == 1
    assert str(daemon.port) in second.log()


def test_sigterm_finishes_what_is_accepted_and_takes_nothing_new(daemon):
    # `fail` is answered by its second attempt, after a back-off: it is in flight when the signal comes.
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        open_connection = daemon.connect()
        daemon.call("GET", "/healthz", connection=open_connection)
        in_flight = [pool.submit(daemon.run, "my-agent", "fail") for _ in range(8)]
        runtime.wait_until(
            lambda: daemon.call("GET", "/agents/my-agent/status", connection=open_connection).json["waiting"] == 8
            or all(one.done() for one in in_flight), "eight requests to wait")
        daemon.process.send_signal(signal.SIGTERM)
        assert [one.result() for one in in_flight] == ["succeeded on attempt 2"] * 8
        assert daemon.wait() == 0
        try:
            answer = daemon.call("POST", "/agents/my-agent/run", "too late", connection=open_connection)
            assert answer.status == 503
        except OSError:
            pass
    assert [line["msg"] for line in daemon.log_lines()][-1] == "stopped"


def test_sigint_ends_it_as_well_and_a_second_signal_at_once(start):
    assert start().process.poll() is None
    one = start(data="one")
    one.process.send_signal(signal.SIGINT)
    assert one.wait() == 0
    slow = start("serve", data="slow")
    slow.call("POST", "/agents", runtime.manifest())
    connection = slow.connect()
    # A request that never ends keeps the drain waiting.
    connection.putrequest("POST", "/agents/my-agent/run")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"half")
    slow.process.send_signal(signal.SIGTERM)
    runtime.wait_until(lambda: "draining" in slow.log() or slow.process.poll() is not None, "the drain")
    slow.process.send_signal(signal.SIGTERM)
    assert slow.wait() == 1


def test_the_log_is_emptied_when_it_stops(daemon, tmp_path):
    for i in range(50):
        daemon.run("my-agent", f"note {i}")
    assert daemon.stop() == 0
    wal = tmp_path / "data" / "agents.db-wal"
    assert not wal.exists() or wal.stat().st_size == 0
