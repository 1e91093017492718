"""A changed agent gets a new pod: the old one drains first, and nothing that was accepted is lost."""

from __future__ import annotations

import json
import pathlib
import subprocess

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

# No connection at all, or an answer that says to come again.
CLEAN_REFUSALS = ("can't connect to remote host", "HTTP/1.1 503")


class Sender:
    """Runs SENDER in the client's pod while its block lasts."""

    def __init__(self, client, output: pathlib.Path):
        self._client = client
        self._output = output

    def __enter__(self) -> Sender:
        with open(self._output, "w", encoding="utf-8") as output:
            self._process = subprocess.Popen(
                self._client.kube.command("exec", self._client.pod, "--", "/bin/sh", "-c", SENDER),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_) -> None:
        self._client.shell("touch /tmp/stop")
        self._process.wait(timeout=30)

    def outcomes(self) -> dict[int, str]:
        """How each note so far fared, by its number."""
        lines = self._output.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()
        return {int(number): outcome for number, _, outcome in (line.partition(" ") for line in lines)}

    def accepted(self) -> list[int]:
        return sorted(number for number, outcome in self.outcomes().items() if outcome == "accepted")

    def broken(self) -> dict[int, str]:
        """Notes that were neither accepted nor refused in words: an answer cut off, or none in time."""
        return {number: outcome for number, outcome in self.outcomes().items()
                if outcome != "accepted" and not any(words in outcome for words in CLEAN_REFUSALS)}


def new_resources(_) -> dict:
    return {"resources": {"requests": {"memory": "48Mi"}}}


def new_image(kube) -> dict:
    # Another name of the same bytes, as nodes see it: a release by tag instead of `latest`.
    return {"image": Operator(kube.within(OPERATOR_NAMESPACE)).runtime_image()}


@pytest.mark.parametrize("change", [new_resources, new_image], ids=["resources", "image"])
def test_the_pod_is_replaced_after_a_drain_and_every_accepted_note_is_kept(make_agent, client, tmp_path, change):
    agent = make_agent(image="openagents/agent-runtime:latest")
    agent.await_ready()
    old = agent.pod()["metadata"]["uid"]
    spec = change(agent.kube)

    with agent.kube.watching("pod", "my-agent-0") as watch, Sender(client, tmp_path / "outcomes") as sender:
        wait_until(sender.accepted, 30, "the first note accepted")
        agent.kube.run("patch", "agent", "my-agent", "--type=merge", "--patch", json.dumps({"spec": spec}))
        new = agent.await_new_pod(old)
        sent = max(sender.outcomes())
        wait_until(lambda: max(sender.accepted()) > sent, 30, "a note accepted by the new pod")
        codes = exit_codes(watch.seen(), old)

    assert codes == {0}, f"the old pod must end by itself when it is asked to; its exit codes were {codes}"
    container = new["spec"]["containers"][0]
    assert container["image"] == spec.get("image", "openagents/agent-runtime:latest")
    assert container["resources"]["requests"]["memory"] == ("48Mi" if "resources" in spec else "32Mi")

    kept = [int(note.removeprefix("note-")) for note in client.notes("my-agent")]
    assert kept == sorted(set(kept)), f"each note must be there once and in order: {kept}"
    lost = set(sender.accepted()) - set(kept)
    assert not lost, f"notes {sorted(lost)} were accepted and are gone; outcomes: {sender.outcomes()}"
    assert not sender.broken(), "a request in flight must be answered or refused"


def exit_codes(versions: list[dict], uid: str) -> set[int]:
    statuses = [status for version in versions if version["metadata"]["uid"] == uid
                for status in version["status"].get("containerStatuses") or []]
    return {status["state"]["terminated"]["exitCode"] for status in statuses if "terminated" in status["state"]}
