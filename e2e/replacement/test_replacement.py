"""A changed agent gets a new pod: the old one drains first, and nothing that was accepted is lost."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile

import pytest

from support.operator import NAMESPACE as OPERATOR_NAMESPACE
from support.operator import Operator
from support.waiting import wait_until

# Sends notes, one after the other, until it is told to stop; prints each one's number and what came of it.
SENDER = """
i=0
while [ ! -e /tmp/stop ]; do
  i=$((i + 1))
  if busybox timeout 10 wget -q -O /dev/null --post-data "remember note-$i" http://my-agent/run 2>/tmp/why
  then echo "$i accepted"
  else echo "$i refused: $(cat /tmp/why)"
  fi
done
"""


@contextlib.contextmanager
def notes_being_sent(client):
    """Yields a function that tells how each note so far fared, as {number: outcome}."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        sender = subprocess.Popen(client.kube.command("exec", client.pod, "--", "/bin/sh", "-c", SENDER),
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

        def outcomes() -> dict[int, str]:
            output.seek(0)
            whole = output.read().rpartition("\n")[0]
            return {int(number): outcome for number, _, outcome in (line.partition(" ") for line in whole.splitlines())}

        try:
            wait_until(lambda: "accepted" in outcomes().values(), 30, "the first note accepted")
            yield outcomes
        finally:
            client.shell("touch /tmp/stop")
            sender.wait(timeout=30)


def accepted(outcomes: dict[int, str]) -> list[int]:
    return sorted(number for number, outcome in outcomes.items() if outcome == "accepted")


def new_resources(_) -> dict:
    return {"resources": {"requests": {"memory": "48Mi"}}}


def new_image(kube) -> dict:
    # Another name of the same bytes, as nodes see it: a release by tag instead of `latest`.
    return {"image": Operator(kube.within(OPERATOR_NAMESPACE)).runtime_image()}


@pytest.mark.parametrize("change", [new_resources, new_image], ids=["resources", "image"])
def test_the_pod_is_replaced_after_a_drain_and_every_accepted_note_is_kept(make_agent, client, change):
    agent = make_agent(image="openagents/agent-runtime:latest")
    agent.await_ready()
    old = agent.pod()["metadata"]["uid"]
    spec = change(agent.kube)

    with agent.kube.watching("pod", "my-agent-0") as watch, notes_being_sent(client) as outcomes:
        agent.kube.run("patch", "agent", "my-agent", "--type=merge", "--patch", json.dumps({"spec": spec}))
        new = agent.await_new_pod(old)
        last_before = max(outcomes())
        wait_until(lambda: max(accepted(outcomes())) > last_before, 30, "a note accepted by the new pod")
        codes = [version["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
                 for version in watch.seen() if version["metadata"]["uid"] == old
                 and "terminated" in (version["status"].get("containerStatuses") or [{"state": {}}])[0]["state"]]
    fared = outcomes()

    assert codes and set(codes) == {0}, f"the old pod must end by itself when asked to; its exit codes were {codes}"
    container = new["spec"]["containers"][0]
    assert container["image"] == spec.get("image", "openagents/agent-runtime:latest")
    assert container["resources"]["requests"]["memory"] == ("48Mi" if "resources" in spec else "32Mi")

    kept = [int(note.removeprefix("note-")) for note in client.notes("my-agent")]
    lost = set(accepted(fared)) - set(kept)
    assert not lost, f"notes {sorted(lost)} were accepted and are gone; outcomes: {fared}"
    assert kept == sorted(set(kept)), f"each note must be there once and in order: {kept}"
