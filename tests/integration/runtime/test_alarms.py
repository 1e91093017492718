"""Alarms and schedules of the real process: set, fired, cancelled, and never lost by kill -9."""

import json

import pytest

import runtime

ALARMS = "/agents/my-agent/alarms"


def set_alarm(daemon, **fields):
    return daemon.call("POST", ALARMS, json.dumps(fields))


def pending(daemon):
    return daemon.call("GET", ALARMS).json["items"]


def wait_for_note(daemon, text):
    runtime.wait_until(lambda: text in daemon.notes("my-agent"), f"the note {text!r}")


def test_an_alarm_is_set_shown_fired_and_gone(daemon):
    answer = set_alarm(daemon, name="tea", payload={"text": "pour"}, **{"in": "200ms"})
    assert answer.status == 201, answer
    assert answer.json["name"] == "tea" and answer.json["id"] == f"alarm/tea/{answer.json['generation']}"
    wait_for_note(daemon, "reminder: pour")
    assert pending(daemon) == []
    assert daemon.call("GET", f"{ALARMS}/tea").status == 404
    tick = daemon.call("GET", "/agents/my-agent/ticks").json["items"][0]
    assert (tick["trigger"], tick["envelopeId"]) == ("Alarm", answer.json["id"])


def test_a_name_replaces_and_delete_cancels(daemon):
    first = set_alarm(daemon, name="a/b", **{"in": "1h"}).json
    second = set_alarm(daemon, name="a/b", at="2100-01-01T00:00:00+01:00").json
    assert second["generation"] > first["generation"] and second["at"] == "2099-12-31T23:00:00.000Z"
    assert [item["name"] for item in pending(daemon)] == ["a/b"]
    assert daemon.call("GET", f"{ALARMS}/a%2Fb").json == second
    assert daemon.call("DELETE", f"{ALARMS}/a%2Fb").status == 204
    assert daemon.call("DELETE", f"{ALARMS}/a%2Fb").json["code"] == "NOT_FOUND"


@pytest.mark.parametrize("body, words", [
    ('{"name": "x"}', "at"), ('{"in": "1s", "at": "2030-01-01T00:00:00Z"}', "not both"), ('{"in": "soon"}', "in"),
    ('{"at": "2201-01-01T00:00:00Z"}', "2200"), ('{"in": "1s", "when": 1}', "when"), ('{"in": "1s", "name": ""}', ""),
    ("[]", "object"), ("{", ""), ('{"in": 5}', "in")])
def test_what_is_no_alarm_is_refused(daemon, body, words):
    answer = daemon.call("POST", ALARMS, body)
    if body == '{"in": "1s", "name": ""}':
        assert answer.status == 201  # one is made up
        return
    assert (answer.status, answer.json["code"]) == (400, "INVALID_REQUEST"), answer
    assert words in answer.json["detail"]


def test_the_notebook_reminds(daemon):
    assert daemon.run("my-agent", "remind me in 100ms: call Ada") == "will remind in 100ms: call Ada"
    wait_for_note(daemon, "reminder: call Ada")


def test_schedules_are_listed_with_their_counts(daemon):
    manifest = runtime.manifest().replace("replicas: 1", 'replicas: 1\n  schedules:\n  - {name: daily, cron: "0 9 * * *"}')
    assert daemon.call("PUT", "/agents/my-agent", manifest).status == 200
    item = pending(daemon)[0]
    assert (item["schedule"], item["fired"], item["ran"], item["missed"]) == ("daily", 0, 0, 0)
    assert item["at"].endswith("T09:00:00.000Z")


def test_kill_9_around_the_fire_loses_and_doubles_nothing(start):
    count = 40
    daemon = start()
    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    for i in range(count):
        assert set_alarm(daemon, name=f"n{i}", payload={"text": f"note {i}"}, **{"in": f"{150 + 5 * i}ms"}).status == 201
    for _ in range(5):
        have = len(daemon.notes("my-agent"))
        runtime.wait_until(lambda: len(daemon.notes("my-agent")) > have or have == count, "an alarm to run")
        daemon.kill()
        daemon = start()
    runtime.wait_until(lambda: len(daemon.notes("my-agent")) >= count, "all alarms to run")
    assert sorted(daemon.notes("my-agent")) == sorted(f"reminder: note {i}" for i in range(count))
    assert pending(daemon) == []
    assert daemon.call("GET", "/agents/my-agent/deadletters").json["items"] == []


def test_alarms_that_fell_due_while_nothing_ran_run_at_the_start(start):
    daemon = start()
    assert daemon.call("POST", "/agents", runtime.manifest()).status == 201
    assert set_alarm(daemon, name="later", payload="late", **{"in": "300ms"}).status == 201
    daemon.kill()
    daemon = start()
    wait_for_note(daemon, "reminder: late")
