"""Starts the runtime, loads it, ends it in some way, and holds what is there against the ledger."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import random
import sqlite3
import threading
import time
import typing

import clients
import handler
import logic
import runtime
from ledger import ONCE, Ledger

SHIM = os.environ.get("CRASH_SHIM", "")
NOTEBOOKS, RELAYS, CLIENTS = 8, 2, 16
ROOMY = {"inbox": {"capacity": 100_000}}


def prepare(server: http.server.HTTPServer) -> None:
    """Whoever calls it may be killed, and does not want to wait for small packets."""
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]
    server.RequestHandlerClass.disable_nagle_algorithm = True  # type: ignore[attr-defined]


def notebook(name: str) -> str:
    return json.dumps({"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": name},
                       "spec": {"config": ROOMY}})


class Sink:
    """Where effects go: remembers what came under which key."""

    def __init__(self) -> None:
        self.keys: dict[str, set[str]] = collections.defaultdict(set)
        sink = self

        class Exchange(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                sink.keys[body["text"]].add(self.headers["Idempotency-Key"])
                self.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self.server.daemon_threads = True
        prepare(self.server)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Relay:
    """A handler that passes on what it gets: a message, an effect, and at times a step, in one tick."""

    def __init__(self, sink: Sink):
        self.sink_url = f"http://127.0.0.1:{sink.server.server_port}/"
        self.journalled: set[str] = set()
        self.repeated: list[str] = []
        self.handler = handler.Handler(self.tick)
        prepare(self.handler.server)

    def tick(self, tick: handler.Tick) -> typing.Any:
        order, envelope = tick["trigger"]["envelope"]["payload"], tick["trigger"]["envelope"]["id"]
        text = order["text"]
        if text.endswith("0"):
            try:
                logic.Context(tick).step("work", text, lambda: self.work(envelope))
            except OSError:
                return 503, {}
            self.journalled.add(envelope)
        self.handler.ticks.clear()
        passed = (tick["state"] or {"passed": []})["passed"]
        return {"state": {"passed": [*passed, [order["to"], text]]}, "reply": "passed on",
                "send": [{"to": f"default/{order['to']}", "payload": {"text": f"remember {text}"}}],
                "effects": [{"key": f"effect-{text}",
                             "http": {"method": "POST", "url": self.sink_url, "body": {"text": text}}}]}

    def work(self, envelope: str) -> str:
        if envelope in self.journalled:
            self.repeated.append(envelope)
        return "worked"


def next_hash(previous: bytes, agent: str, row: sqlite3.Row) -> bytes:
    def number(value: int) -> bytes:
        return value.to_bytes(8, "big", signed=True)

    record = row["record"].encode()
    return hashlib.sha256(previous + b"\x01" + number(len(agent)) + agent.encode() + number(row["number"]) +
                          number(row["kind"]) + number(row["tick"]) + number(row["time"]) +
                          number(len(record)) + record).digest()


class Harness:
    def __init__(self, folder: pathlib.Path, seed: int):
        self.data, self.seed, self.random = folder / "data", seed, random.Random(seed)
        self.sink = Sink()
        self.relay = Relay(self.sink)
        self.epoch, self.cycle, self.generation = 0, 0, 0
        self.running: runtime.Runtime | None = None
        self.deaths: collections.Counter[str] = collections.Counter()
        self.acknowledged, self.refusals = 0, 0
        self.old: list[str] = []

    def close(self) -> None:
        if self.running and self.running.process.poll() is None:
            self.running.kill()
        self.relay.handler.close()
        self.sink.close()

    # --- processes

    def start(self, fault: str = "", clock: int = 0) -> runtime.Runtime | None:
        """Nothing: it died of its fault before it answered."""
        env = {"LD_PRELOAD": SHIM, "CRASH_CLOCK": str(clock)}
        if fault:
            env["CRASH_FAULT"] = fault
        self.running = one = runtime.Runtime("serve", self.data, "--log-level", "warn", env=env, wait=False)

        def answers() -> bool:
            if one.process.poll() is not None:
                return True
            with contextlib.suppress(OSError):
                one.call("GET", "/healthz")
                return True
            return False

        runtime.wait_until(answers, f"the runtime to answer; its log: {one.log()[-2000:]}")
        if one.process.poll() is None:
            return one
        assert fault, f"ended with {one.process.returncode}: {one.log()[-2000:]}"
        return None

    def check_epoch(self, daemon: runtime.Runtime, agent: str) -> None:
        answer = daemon.call("GET", f"/agents/{agent}/status")
        if "Content-Length" not in answer.headers or (answer.status == 503 and self.world.may_refuse):
            return  # it broke off within the headers, or its disk failed already
        epoch = answer.json["epoch"]
        assert epoch > self.epoch, (epoch, self.epoch)
        self.epoch = epoch

    # --- a generation: agents that live through some crashes

    def create(self, daemon: runtime.Runtime) -> None:
        self.generation += 1
        prefix = f"g{self.generation}"
        self.world = clients.World(self.seed, Ledger(), [f"{prefix}-n{i}" for i in range(NOTEBOOKS)],
                                   [f"{prefix}-r{i}" for i in range(RELAYS)])
        for name in self.world.notebooks:
            assert daemon.call("POST", "/agents", notebook(name)).status == 201
        for name in self.world.relays:
            assert daemon.call("POST", "/agents", self.relay.handler.manifest(name, ROOMY)).status == 201

    def load(self, fault: str, seconds: float, clock: int = 0) -> None:
        """One cycle: until it dies of its fault, or is killed when the time is over."""
        self.cycle += 1
        if self.random.randrange(10) == 0:  # also on its way up
            self.start_and_kill()
        daemon = self.start(fault, clock)
        if daemon is None:
            self.deaths[fault.rpartition(":")[0]] += 1
            return
        with contextlib.suppress(OSError):  # its fault may come with any answer
            self.check_epoch(daemon, self.world.notebooks[0])
        threads = [clients.Client(self.world, daemon, number, self.cycle) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(thread.is_alive() for thread in threads):
            time.sleep(0.005)
        died = daemon.process.poll() is not None
        self.deaths[fault.rpartition(":")[0] if died else "kill"] += 1
        daemon.kill()
        for thread in threads:
            thread.over.set()
        for thread in threads:
            thread.join(runtime.PATIENCE)
            assert not thread.is_alive(), f"{thread.name} waits for ever"
            if thread.failure:
                raise thread.failure
        assert self.world.refused == []

    def start_and_kill(self) -> None:
        one = runtime.Runtime("serve", self.data, "--log-level", "warn", wait=False)
        time.sleep(self.random.uniform(0, 0.06))
        one.kill()

    def settle(self, clock: int = 0) -> runtime.Runtime:
        """A process without faults, in which everything comes to its end."""
        daemon = self.start(clock=clock)
        assert daemon is not None
        self.check_epoch(daemon, self.world.notebooks[0])
        retries = [clients.Client(self.world, daemon, number, self.cycle) for number in self.world.retries]
        for one in retries:
            one.over.set()
            one.start()
        for one in retries:
            one.join()
            if one.failure:
                raise one.failure
        deadline = time.monotonic() + runtime.PATIENCE
        while (problems := self.problems(daemon)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert problems == [], "\n".join(problems[:20])
        runtime.wait_until(lambda: self.is_idle(daemon), "every agent to be idle")
        problems = self.problems(daemon) + self.problems_of_envelopes(daemon)
        assert problems == [], "\n".join(problems[:20])
        return daemon

    def is_idle(self, daemon: runtime.Runtime) -> bool:
        statuses = [daemon.call("GET", f"/agents/{name}/status").json
                    for name in self.world.notebooks + self.world.relays]
        return not any(status["running"] or status["waiting"] for status in statuses)

    def end_generation(self, clock: int = 0) -> None:
        daemon = self.settle(clock)
        states = {name: daemon.call("GET", f"/agents/{name}/state").json for name in self.world.notebooks}
        statuses = {name: daemon.call("GET", f"/agents/{name}/status").json for name in states}
        assert daemon.stop() == 0
        self.refusals += self.world.refusals
        self.acknowledged += sum(note.counts == ONCE for note in self.world.ledger.notes.values())
        self.check_database(states, statuses)
        daemon = self.start(clock=clock)
        assert daemon is not None
        for name in self.old:
            assert daemon.call("GET", f"/agents/{name}").status == 404, name
        self.old = self.world.notebooks + self.world.relays
        for name in self.old:
            assert daemon.call("DELETE", f"/agents/{name}").status == 204
        self.create(daemon)
        daemon.kill()

    # --- the oracle

    def problems(self, daemon: runtime.Runtime) -> list[str]:
        ledger = self.world.ledger
        found = {name: daemon.notes(name) for name in self.world.notebooks}
        problems = [problem for name, notes in found.items() for problem in ledger.problems_of_notes(name, notes)]
        problems += self.problems_of_keys(daemon) + self.problems_of_lists(daemon) + self.problems_of_relays(
            daemon, found)
        for text in ledger.effects:
            if len(self.sink.keys[text]) != 1:
                problems.append(f"the effect of {text!r} came under the keys {self.sink.keys[text]}, must be one")
        everywhere = {text for notes in found.values() for text in notes}
        problems += [f"the effect of {text!r} was done and its message is not there"
                     for text in list(self.sink.keys)
                     if any(text == note.text for note in ledger.notes.values()) and text not in everywhere]
        return problems + [f"the step of {envelope} was repeated" for envelope in self.relay.repeated]

    def problems_of_keys(self, daemon: runtime.Runtime) -> list[str]:
        problems = []
        shared: dict[tuple[str, str], list[str]] = {}
        for (agent, key), possible in self.world.ledger.keys.items():
            answer = daemon.call("GET", f"/agents/{agent}/kv/{key}")
            value = answer.body.decode() if answer.status == 200 else None
            if value not in possible:
                problems.append(f"{agent}: {key} is {value!r}, must be one of {possible}")
        for (agent, key, token), counts in self.world.ledger.tokens.items():
            if (agent, key) not in shared:
                shared[agent, key] = daemon.call("GET", f"/agents/{agent}/kv/{key}").body.decode().split()
            if shared[agent, key].count(token) not in counts:
                problems.append(f"{agent}: {key} must have {token} {sorted(counts)} times: {shared[agent, key]}")
        return problems

    def items(self, daemon: runtime.Runtime, agent: str, what: str) -> list[dict[str, typing.Any]]:
        items, cursor = [], ""
        while True:
            page = daemon.call("GET", f"/agents/{agent}/{what}?limit=1000{cursor}").json
            items += page["items"]
            if "cursor" not in page:
                return items
            cursor = f"&cursor={page['cursor']}"

    def problems_of_lists(self, daemon: runtime.Runtime) -> list[str]:
        problems = []
        for name in self.world.notebooks:
            alarms = collections.Counter(alarm["name"] for alarm in self.items(daemon, name, "alarms"))
            letters = collections.Counter(letter["envelope"]["id"]
                                          for letter in self.items(daemon, name, "deadletters"))
            for what, found, table in (("alarm", alarms, self.world.ledger.pending),
                                       ("dead letter", letters, self.world.ledger.letters)):
                problems += [f"{name}: {what} {key} is there {found[key]} times, must be {sorted(counts)}"
                             for (agent, key), counts in table.items()
                             if agent == name and found[key] not in counts]
        return problems

    def problems_of_relays(self, daemon: runtime.Runtime, found: dict[str, list[str]]) -> list[str]:
        problems = []
        for relay in self.world.relays:
            passed = (daemon.call("GET", f"/agents/{relay}/state").json or {"passed": []})["passed"]
            for target, notes in found.items():
                sent = [text for to, text in passed if to == target]
                known = set(sent)
                came = [text for text in notes if text in known]
                if sent != came:
                    problems.append(f"{relay} sent {sent} to {target}, where {came} came")
        return problems

    def problems_of_envelopes(self, daemon: runtime.Runtime) -> list[str]:
        """Of some, and of jobs: outcomes must agree with what is there."""
        problems = []
        sent = [note for note in self.world.ledger.notes.values() if note.envelope and not note.tick]
        found = {name: set(daemon.notes(name)) for name in self.world.notebooks}
        for note in self.random.sample(sent, min(len(sent), 100)):
            outcome = daemon.call("GET", f"/agents/{note.agent}/envelopes/{note.envelope}").json
            expected = "Succeeded" if note.text in found[note.agent] else "Cancelled"
            if outcome.get("status") != expected:
                problems.append(f"{note}: its outcome must be {expected} but is {outcome}")
        jobs = list(self.world.ledger.jobs.items())
        for (agent, id_), text in self.random.sample(jobs, min(len(jobs), 50)):
            job = daemon.call("GET", f"/agents/{agent}/jobs/{id_}").json
            if (job.get("status"), job.get("output"), job.get("ticks")) != ("Succeeded", f"noted: {text}", 1):
                problems.append(f"the job of {text!r} must have succeeded but is {job}")
        return problems

    def check_database(self, states: dict[str, typing.Any], statuses: dict[str, typing.Any]) -> None:
        """The process is gone. The file is sound, and the log of every agent is whole."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data / 'agents.db'}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            assert [row[0] for row in database.execute("PRAGMA integrity_check")] == ["ok"]
            for name, state in states.items():
                rows = database.execute(
                    "SELECT * FROM log WHERE kind = 1 AND agent = (SELECT id FROM agent WHERE name = ?) ORDER BY id",
                    (name,)).fetchall()
                self.check_log(name, rows, state, statuses[name])

    def check_log(self, name: str, rows: list[sqlite3.Row], state: typing.Any, status: typing.Any) -> None:
        previous = bytes(32)
        for number, row in enumerate(rows, 1):
            assert row["number"] == number, f"{name}: record {number} of the log is missing"
            previous = next_hash(previous, f"default/{name}", row)
            assert row["hash"] == previous, f"{name}: record {number} of the log breaks the chain"
        records = [json.loads(row["record"]) for row in rows]
        done = [record for record in records if record["outcome"] == "Committed"]
        ticks = [record for record in done if record["source"] != "kv"]
        assert (state or {"ticks": 0})["ticks"] == len(ticks), (name, status)
        assert status["commits"] == len(records), (name, status, len(records))
        assert len({record["tickId"] for record in records}) == len(records), name
        by_envelope = collections.Counter(record["envelopeId"] for record in done)
        assert all(count == 1 for count in by_envelope.values()), (name, by_envelope.most_common(3))
        at = {record["envelopeId"]: record["tickId"] for record in done}
        for note in self.world.ledger.notes.values():
            if note.agent == name and note.tick:
                assert at.get(note.envelope) == note.tick, note
