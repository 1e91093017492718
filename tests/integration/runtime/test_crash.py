"""kill -9 in the middle of load, again and again: what was acknowledged is there, exactly once."""

import collections
import os
import random
import sqlite3
import threading

import runtime

CYCLES = int(os.environ.get("CRASH_CYCLES", "15"))
CLIENTS = 8
UNCHANGED = object()  # what a key had before this cycle
AGENTS = 3


class Client(threading.Thread):
    """Writes notes and keys one after the other until the process is gone."""

    def __init__(self, daemon, number, cycle, seed):
        super().__init__()
        self.daemon_under_test = daemon
        self.number = number
        self.cycle = cycle
        self.random = random.Random(f"{seed}.{cycle}.{number}")
        self.acknowledged = []  # (agent, note)
        self.unknown = []       # sent, and neither acknowledged nor refused
        self.keys = {}          # key -> [acknowledged value] or [value before, value of unknown outcome]
        self.refused = []

    def run(self):
        connection = self.daemon_under_test.connect()
        for i in range(1_000_000):
            agent = f"a{self.random.randrange(AGENTS)}"
            text = f"{self.cycle}.{self.number}.{i}"
            if self.random.randrange(4) == 0:
                done = self.put(connection, agent, text)
            else:
                done = self.note(connection, agent, text)
            if not done:
                return

    def note(self, connection, agent, text):
        try:
            answer = self.daemon_under_test.call("POST", f"/agents/{agent}/run", f"remember {text}",
                                                 connection=connection)
        except OSError:
            self.unknown.append((agent, text))
            return False
        if answer.status != 200:
            self.refused.append(answer)
            return False
        self.acknowledged.append((agent, text))
        return True

    def put(self, connection, agent, value):
        key = (agent, f"key-{self.number}-{self.random.randrange(4)}")
        try:
            answer = self.daemon_under_test.call("PUT", f"/agents/{agent}/kv/{key[1]}", value, connection=connection)
        except OSError:
            self.keys[key] = [self.keys.get(key, [UNCHANGED])[0], value]
            return False
        if answer.status not in (201, 204):
            self.refused.append(answer)
            return False
        self.keys[key] = [value]
        return True


def test_nothing_acknowledged_is_lost_or_doubled(start, tmp_path):
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CRASH_SEED={seed}")
    chance = random.Random(seed)
    acknowledged, unknown, keys = set(), set(), {}
    epoch = 0
    for cycle in range(CYCLES):
        daemon = start()
        if cycle == 0:
            for i in range(AGENTS):
                assert daemon.call("POST", "/agents", runtime.manifest(f"a{i}")).status == 201
        status = daemon.call("GET", "/agents/a0/status").json
        assert status["epoch"] == epoch + 1
        epoch = status["epoch"]
        check(daemon, acknowledged, unknown, keys)

        clients = [Client(daemon, number, cycle, seed) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        enough = chance.randrange(20, 200)
        runtime.wait_until(lambda: sum(len(client.acknowledged) for client in clients) >= enough
                           or not any(client.is_alive() for client in clients), "load")
        daemon.kill()
        for client in clients:
            client.join()
            assert client.refused == []
            acknowledged.update(client.acknowledged)
            unknown.update(client.unknown)
            for key, values in client.keys.items():
                keys[key] = values if values[0] is not UNCHANGED else [values[1], *keys.get(key, [None])]
    daemon = start()
    check(daemon, acknowledged, unknown, keys)
    assert daemon.stop() == 0
    with sqlite3.connect(tmp_path / "data" / "agents.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()


def check(daemon, acknowledged, unknown, keys):
    found = collections.Counter()
    for i in range(AGENTS):
        for text in daemon.notes(f"a{i}"):
            found[(f"a{i}", text)] += 1
    lost = [note for note in acknowledged if found[note] == 0]
    doubled = [note for note, count in found.items() if count > 1]
    invented = [note for note in found if note not in acknowledged and note not in unknown]
    assert (lost, doubled, invented) == ([], [], [])
    for (agent, key), values in keys.items():
        answer = daemon.call("GET", f"/agents/{agent}/kv/{key}")
        value = answer.body.decode() if answer.status == 200 else None
        assert value in values, (agent, key, value, values)
