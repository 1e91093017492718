"""Random load of all verbs, and an end at a random point, again and again: nothing that was acknowledged is lost, and
nothing is done twice."""

import os
import random

import pytest

import harness
import runtime

CYCLES = int(os.environ.get("CRASH_CYCLES", "50"))
GENERATION = 5  # cycles, after which everything is counted and other agents take over
HOUR = 3600


@pytest.fixture
def crash(tmp_path):
    assert runtime.BINARY and harness.SHIM, "AGENT_RUNTIME and CRASH_SHIM must name the binary and its shim"
    seed = int(os.environ.get("CRASH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"CRASH_SEED={seed}")
    one = harness.Harness(tmp_path, seed)
    daemon = one.start()
    one.create(daemon)
    daemon.kill()
    yield one
    print(f"{one.cycle} cycles, {one.acknowledged} acknowledged notes, {one.refusals} refusals, ends: {dict(one.deaths)}")
    one.close()


def some(chance, most):
    """Small numbers as likely as large ones."""
    return int(most ** chance.random())


def test_kill_9_anywhere(crash):
    chance = crash.random
    faults = [f"{action}:{call}" for action in ("before", "after") for call in ("sync", "write", "reply")]
    faults += ["torn:write", "torn:reply"]
    for cycle in range(1, CYCLES + 1):
        point = chance.choice([*faults, None, None, None])
        most = {"sync": 500, "write": 2500, "reply": 1500}
        fault = f"{point}:{some(chance, most[point.split(':')[1]])}" if point else ""
        crash.load(fault, chance.uniform(0.1, 0.8))
        if cycle % GENERATION == 0 or cycle == CYCLES:
            crash.end_generation()


def test_a_disk_that_fails(crash):
    chance = crash.random
    for cycle in range(1, max(CYCLES // 5, 1) + 1):
        fault = chance.choice(["fail:sync:{0}", "fail:write:{0}", "full:write:{0}:{1}", "full:write:{0}:1000000"])
        fault = fault.format(some(chance, 1000), some(chance, 50))
        crash.world.may_refuse = True
        crash.load(fault, chance.uniform(0.2, 0.5))
        if cycle % GENERATION == 0:
            crash.end_generation()


def test_a_clock_that_is_moved(crash):
    chance = crash.random
    for cycle in range(1, max(CYCLES // 5, 1) + 1):
        crash.load("", chance.uniform(0.05, 0.4), clock=chance.randrange(-HOUR, HOUR))
        if cycle % GENERATION == 0:
            crash.end_generation(clock=2 * HOUR)
