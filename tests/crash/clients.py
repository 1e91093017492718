"""Clients that use every verb at random, and write down what they were told."""

from __future__ import annotations

import dataclasses
import json
import random
import threading
import time
import typing

import runtime
from ledger import MAYBE, NEVER, ONCE, Ledger, Note


class Gone(Exception):
    """The runtime does not answer any more."""


class Refused(Exception):
    """It answers that it cannot, for now."""


@dataclasses.dataclass
class Retry:
    """A request whose outcome nobody knows, and that may be sent again: it is told by an id."""
    path: str
    body: str
    headers: dict[str, str]
    note: Note


@dataclasses.dataclass
class World:
    """What all clients of a generation share."""
    seed: int
    ledger: Ledger
    notebooks: list[str]
    relays: list[str]
    may_refuse: bool = False  # the disk fails: a refusal says nothing
    retries: dict[int, list[Retry]] = dataclasses.field(default_factory=dict)
    seqs: dict[tuple[int, str], int] = dataclasses.field(default_factory=dict)
    refusals: int = 0         # that there may be
    refused: list[str] = dataclasses.field(default_factory=list)  # that there may not be


class Client(threading.Thread):
    def __init__(self, world: World, daemon: runtime.Runtime, number: int, cycle: int):
        super().__init__(name=f"client {number}")
        self.world, self.ledger, self.daemon_under_test = world, world.ledger, daemon
        self.number, self.cycle, self.count = number, cycle, 0
        self.random = random.Random(f"{world.seed}.{cycle}.{number}")
        self.over = threading.Event()
        self.failure: BaseException | None = None
        self.keys: dict[tuple[str, str], tuple[str | None, str]] = {}
        self.letters: list[tuple[str, str]] = []
        self.verbs: list[tuple[typing.Callable[[], None], int]] = [
            (self.run_plain, 8), (self.run_keyed, 6), (self.run_named, 3), (self.run_later, 3), (self.repeat, 4),
            (self.send_numbered, 8), (self.send_named, 4), (self.send_keyed, 3), (self.send_plain, 4),
            (self.send_event, 4), (self.cancel, 3), (self.put, 5), (self.swap, 5), (self.set_alarm, 5),
            (self.move_alarm, 2), (self.far_alarm, 1), (self.remind, 2), (self.poison, 2), (self.bury, 2),
            (self.retried, 1), (self.relay, 3), (self.job, 3)]

    def run(self) -> None:
        try:
            self.connection = self.daemon_under_test.connect()
            try:
                self.work()
            finally:
                self.connection.close()
        except Gone:
            pass
        except BaseException as error:  # shown by the main thread
            self.failure = error

    def work(self) -> None:
        doings, weights = zip(*self.verbs)
        is_behind = True
        while is_behind or not self.over.is_set():
            try:
                if is_behind:  # first of all, since a sender's numbers rise
                    self.finish_retries()
                    is_behind = False
                else:
                    self.random.choices(doings, weights)[0]()
            except Refused:
                is_behind = True
                self.keys.clear()
                time.sleep(0.01)

    # --- asking

    def ask(self, method: str, path: str, body: str | None = None,
            headers: dict[str, str] | None = None) -> runtime.Answer:
        try:
            answer = self.daemon_under_test.call(method, path, body, headers, connection=self.connection)
        except OSError as error:
            raise Gone from error
        if "Content-Length" not in answer.headers:
            raise Gone  # it broke off within the headers
        if answer.status >= 500:
            if not self.world.may_refuse or answer.status not in (503, 507):
                self.world.refused.append(f"{method} {path}: {answer.status} {answer.body!r}")
                raise Gone
            self.world.refusals += 1
            raise Refused
        return answer

    def expect(self, answer: runtime.Answer, *statuses: int) -> runtime.Answer:
        assert answer.status in statuses, answer
        return answer

    def text(self) -> str:
        self.count += 1
        return f"{self.cycle}.{self.number}.{self.count}"

    def agent(self) -> str:
        return self.random.choice(self.world.notebooks)

    def new_note(self, prefix: str = "", agent: str = "") -> Note:
        return self.ledger.note(Note(agent or self.agent(), prefix + self.text()))

    # --- requests that may be sent again

    def once(self, verb: str, note: Note, body: str, headers: dict[str, str], agent: str = "") -> runtime.Answer:
        """Until it is acknowledged: in this cycle, or in one that follows."""
        retry = Retry(f"/agents/{agent or note.agent}/{verb}", body, headers, note)
        self.world.retries.setdefault(self.number, []).append(retry)
        return self.finish(retry)

    def finish(self, retry: Retry) -> runtime.Answer:
        answer = self.expect(self.ask("POST", retry.path, retry.body, retry.headers), 200, 202)
        note = retry.note
        note.counts = ONCE
        if retry.path.endswith("/jobs"):
            self.ledger.set(self.ledger.jobs, (note.agent, answer.json["id"]), note.text)
        elif not retry.path.startswith(f"/agents/{note.agent}/"):
            self.ledger.effects.add(note.text)
        elif "envelopeId" in answer.json and "Idempotent-Replayed" not in answer.headers:
            note.envelope, note.tick = answer.json["envelopeId"], answer.json.get("tickId", "")
        if retry.path.endswith("/run") and "Prefer" not in retry.headers:
            self.ledger.answered("POST", retry.path, retry.headers, retry.body, answer.json)
        self.world.retries[self.number].remove(retry)
        return answer

    def finish_retries(self) -> None:
        for retry in list(self.world.retries.get(self.number, [])):
            self.finish(retry)

    # --- verbs

    def run_plain(self) -> None:
        note = self.new_note()
        sent = time.monotonic()
        verb = self.random.choice(["run", "run", "tick"])
        answer = self.expect(self.ask("POST", f"/agents/{note.agent}/{verb}", f"remember {note.text}"), 200)
        note.answered, note.sent, note.counts = time.monotonic(), sent, ONCE
        note.envelope, note.tick = answer.json["envelopeId"], answer.json["tickId"]
        assert answer.json["output"] == f"noted: {note.text}", answer

    def run_keyed(self) -> None:
        note = self.new_note()
        self.once("run", note, f"remember {note.text}", {"Idempotency-Key": f"key-{note.text}"})

    def run_named(self) -> None:
        note = self.new_note()
        self.once("run", note, f"remember {note.text}", {"Agent-Envelope-Id": f"run-{note.text}"})

    def run_later(self) -> None:
        note = self.new_note()
        self.once("run", note, f"remember {note.text}",
                  {"Idempotency-Key": f"later-{note.text}", "Prefer": self.random.choice(["wait=0", "respond-async"])})

    def repeat(self) -> None:
        """What was answered under a key is answered again, in whichever process."""
        if not self.ledger.answers:
            return
        method, path, headers, body, first = self.random.choice(self.ledger.answers)
        again = self.expect(self.ask(method, path, body, headers), 200).json
        assert again == first, (path, headers, first, again)

    def send_numbered(self) -> None:
        agent = self.agent()
        seq = self.world.seqs[(self.number, agent)] = self.world.seqs.get((self.number, agent), 0) + 1
        note = self.new_note(agent=agent)
        note.lane, note.place = f"sender-{self.number}", seq
        headers = {"Agent-Sender": note.lane, "Agent-Seq": str(seq)}
        self.once("send", note, f"remember {note.text}", headers)
        if self.random.randrange(4) == 0:
            again = self.ask("POST", f"/agents/{agent}/send", f"remember {note.text}", headers)
            assert self.expect(again, 202).json.get("duplicate") is True, again

    def send_named(self) -> None:
        note = self.new_note()
        self.once("send", note, f"remember {note.text}", {"Agent-Envelope-Id": f"id-{note.text}"})

    def send_keyed(self) -> None:
        note = self.new_note()
        self.once("send", note, f"remember {note.text}", {"Idempotency-Key": f"key-{note.text}"})

    def send_plain(self) -> None:
        note = self.new_note()
        answer = self.expect(self.ask("POST", f"/agents/{note.agent}/send", f"remember {note.text}"), 202)
        note.counts, note.envelope = ONCE, answer.json["envelopeId"]

    def send_event(self) -> None:
        note = self.new_note("event: ")
        event = {"specversion": "1.0", "id": note.text, "source": f"/client/{self.number}", "type": note.text[7:]}
        self.once("events", note, json.dumps(event), {"Content-Type": "application/cloudevents+json"})

    def retried(self) -> None:
        """Fails once; the back-off outlives the process."""
        note = self.new_note()
        path = f"/agents/{note.agent}/send"
        note.lane, note.place = f"slow-{note.text}", 1
        self.expect(self.ask("POST", path, "fail", {"Agent-Sender": note.lane, "Agent-Seq": "1"}), 202)
        answer = self.ask("POST", path, f"remember {note.text}", {"Agent-Sender": note.lane, "Agent-Seq": "2"})
        note.counts, note.envelope = ONCE, self.expect(answer, 202).json["envelopeId"]

    def cancel(self) -> None:
        note = self.new_note()
        answer = self.expect(self.ask("POST", f"/agents/{note.agent}/send", f"remember {note.text}"), 202)
        note.counts, note.envelope = MAYBE, answer.json["envelopeId"]
        ended = self.ask("DELETE", f"/agents/{note.agent}/envelopes/{note.envelope}")
        note.counts = NEVER if self.expect(ended, 200, 409).status == 200 else ONCE

    def put(self) -> None:
        """A key of this client alone."""
        key = (self.agent(), f"own-{self.number}-{self.random.randrange(3)}")
        path = f"/agents/{key[0]}/kv/{key[1]}"
        if key not in self.keys:
            found = self.expect(self.ask("GET", path), 200, 404)
            value = found.body.decode() if found.status == 200 else None
            possible = self.ledger.keys.get(key, {None})
            assert value in possible, (key, value, possible)
            self.keys[key] = (value, found.headers.get("ETag", ""))
        value, etag = self.keys[key]
        condition = {"If-Match": etag} if value is not None else {"If-None-Match": "*"}
        new = None if value is not None and self.random.randrange(4) == 0 else self.text()
        self.ledger.set(self.ledger.keys, key, {value, new})
        answer = self.ask("DELETE" if new is None else "PUT", path, new,
                          condition if self.random.randrange(3) else {})
        self.expect(answer, 204, 201)
        self.ledger.set(self.ledger.keys, key, {new})
        self.keys[key] = (new, answer.headers.get("ETag", ""))

    def swap(self) -> None:
        """A key of all clients: each adds a token to what it has read."""
        agent, key = self.agent(), f"shared-{self.cycle}"
        path = f"/agents/{agent}/kv/{key}"
        found = self.expect(self.ask("GET", path), 200, 404)
        token = self.text()
        self.ledger.set(self.ledger.tokens, (agent, key, token), MAYBE)
        if found.status == 200:
            answer = self.ask("PUT", path, f"{found.body.decode()} {token}", {"If-Match": found.headers["ETag"]})
        else:
            answer = self.ask("PUT", path, token, {"If-None-Match": "*"})
        won = self.expect(answer, 201, 204, 409, 412).status < 400
        self.ledger.set(self.ledger.tokens, (agent, key, token), ONCE if won else NEVER)

    def post_alarm(self, agent: str, name: str, pause: str, text: str) -> None:
        self.expect(self.ask("POST", f"/agents/{agent}/alarms",
                             json.dumps({"name": name, "in": pause, "payload": {"text": text}}),
                             {"Content-Type": "application/json"}), 201)

    def set_alarm(self) -> None:
        note = self.new_note("reminder: ")
        pause = self.random.choice(["0s", "1ms", "20ms", "100ms", "300ms"])
        self.post_alarm(note.agent, note.text[10:], pause, note.text[10:])
        note.counts = ONCE

    def move_alarm(self) -> None:
        """Replaced or cancelled: what was gone first decides."""
        first = self.new_note("reminder: ")
        name = first.text[10:]
        self.post_alarm(first.agent, name, self.random.choice(["5ms", "50ms", "10m"]), name)
        if self.random.randrange(2):
            second = self.new_note("reminder: ", agent=first.agent)
            self.post_alarm(first.agent, name, "10ms", second.text[10:])
            second.counts = ONCE
        else:
            gone = self.ask("DELETE", f"/agents/{first.agent}/alarms/{name}")
            first.counts = NEVER if self.expect(gone, 204, 404).status == 204 else ONCE

    def far_alarm(self) -> None:
        agent, name = self.agent(), f"far-{self.text()}"
        self.ledger.set(self.ledger.pending, (agent, name), MAYBE)
        self.post_alarm(agent, name, "12h", name)
        self.ledger.set(self.ledger.pending, (agent, name), ONCE)
        if self.random.randrange(2):
            self.ledger.set(self.ledger.pending, (agent, name), MAYBE)
            self.expect(self.ask("DELETE", f"/agents/{agent}/alarms/{name}"), 204)
            self.ledger.set(self.ledger.pending, (agent, name), NEVER)

    def remind(self) -> None:
        """An alarm that a tick sets."""
        note = self.new_note("reminder: ")
        self.once("run", note, f"remind me in 10ms: {note.text[10:]}", {"Idempotency-Key": f"key-{note.text[10:]}"})

    def poison(self) -> None:
        agent = self.agent()
        envelope = f"bad-{self.text()}"
        self.ledger.set(self.ledger.letters, (agent, envelope), MAYBE)
        self.expect(self.ask("POST", f"/agents/{agent}/send", "forget 1000000", {"Agent-Envelope-Id": envelope}), 202)
        self.ledger.set(self.ledger.letters, (agent, envelope), ONCE)
        self.letters.append((agent, envelope))

    def bury(self) -> None:
        """Throws a dead letter away, or has it tried again: it fails again."""
        if not self.letters:
            return
        agent, envelope = self.letters.pop()
        listed = self.expect(self.ask("GET", f"/agents/{agent}/deadletters?limit=1000"), 200).json["items"]
        found = [letter["id"] for letter in listed if letter["envelope"]["id"] == envelope]
        if not found:
            return
        path = f"/agents/{agent}/deadletters/{found[0]}"
        if self.random.randrange(2):
            self.expect(self.ask("POST", f"{path}/replay"), 202)
        else:
            self.ledger.set(self.ledger.letters, (agent, envelope), MAYBE)
            self.expect(self.ask("DELETE", path), 204)
            self.ledger.set(self.ledger.letters, (agent, envelope), NEVER)

    def relay(self) -> None:
        """A message from one agent to another, and an effect, of one tick."""
        note = self.new_note()
        relay = self.random.choice(self.world.relays)
        self.once("send", note, json.dumps({"to": note.agent, "text": note.text}),
                  {"Content-Type": "application/json", "Agent-Envelope-Id": f"relay-{note.text}"}, relay)

    def job(self) -> None:
        note = self.new_note()
        self.once("jobs", note, json.dumps({"input": {"text": f"remember {note.text}"}}),
                  {"Content-Type": "application/json", "Idempotency-Key": f"job-{note.text}"})
