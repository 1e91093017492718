#!/usr/bin/env python3
"""A narrated tour: talk to an agent, kill its runtime in the middle of a burst of writes, and see
that everything it had acknowledged is still there. Exits 0 if so, else 1."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time

import daemon

WRITERS = 8
ACKNOWLEDGED_BEFORE_KILL = 200
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def say(text: str) -> None:
    print(f"\n{paint('1', text)}", flush=True)


def show(request: str, answer: object) -> None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    print(f"  {paint('36', request)}\n    {text if len(text) < 400 else text[:397] + '...'}", flush=True)


def expect(truth: bool, text: str) -> None:
    print(f"  {paint('32', 'ok') if truth else paint('31', 'WRONG')}  {text}", flush=True)
    if not truth:
        raise SystemExit(1)


def run(runtime: daemon.Daemon, text: str) -> object:
    status, answer = runtime.call("POST", "/agents/hello/run", text)
    if status != 200:
        raise SystemExit(f"POST /run {text!r} must answer 200, not {status}: {answer}")
    return answer


def get(runtime: daemon.Daemon, path: str) -> object:
    status, answer = runtime.call("GET", f"/agents/hello/{path}")
    if status != 200:
        raise SystemExit(f"GET /{path} must answer 200, not {status}: {answer}")
    return answer


def burst_until_killed(runtime: daemon.Daemon) -> list[str]:
    """Many clients write at once; the process is killed while they do. Returns what was
    acknowledged: a note counts from the moment its answer has arrived."""
    acknowledged: list[str] = []
    enough = threading.Event()

    def write(writer: int) -> None:
        for number in range(1_000_000):
            note = f"note {writer}.{number}"
            try:
                status, _ = runtime.call("POST", "/agents/hello/run", f"remember {note}")
            except OSError:
                return
            if status != 200:
                return
            acknowledged.append(note)
            if len(acknowledged) >= ACKNOWLEDGED_BEFORE_KILL:
                enough.set()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    in_time = enough.wait(timeout=60)
    runtime.kill()
    for writer in writers:
        writer.join()
    expect(in_time, f"{len(acknowledged)} notes were acknowledged before the kill, with {WRITERS} writers still busy")
    return acknowledged


def tour(start) -> None:
    say("1. The runtime starts with one agent, hello, on an empty folder.")
    began = time.monotonic()
    runtime = start()
    expect(runtime.wait_ready(), f"ready after {(time.monotonic() - began) * 1000:.0f} ms at http://{runtime.address}")

    say("2. The agent remembers. Each answer leaves only when the note is on disk.")
    for text in ("remember buy milk", "remember call Ada at nine", "list"):
        show(f"curl -d '{text}' http://{runtime.address}/agents/hello/run", run(runtime, text))

    say("3. Its state and every tick can be seen from outside.")
    status = get(runtime, "status")
    show("GET /agents/hello/status", status)
    ticks = get(runtime, "ticks?limit=1")["items"]
    show("GET /agents/hello/ticks?limit=1", ticks)
    epoch = status["epoch"]

    say(f"4. {WRITERS} clients write as fast as they can, and the process gets kill -9.")
    acknowledged = burst_until_killed(runtime)

    say("5. The runtime starts again on the same folder.")
    began = time.monotonic()
    runtime = start()
    expect(runtime.wait_ready(), f"ready after {(time.monotonic() - began) * 1000:.0f} ms")
    notes = [note["text"] for note in get(runtime, "state")["notes"]]
    lost = [note for note in ["buy milk", "call Ada at nine", *acknowledged] if note not in set(notes)]
    expect(not lost, f"all {len(acknowledged) + 2} acknowledged notes are there" if not lost else f"lost: {lost}")
    expect(len(notes) == len(set(notes)), "and none of them twice")
    extra = len(notes) - len(acknowledged) - 2
    expect(0 <= extra <= WRITERS, f"{extra} more had been committed when the kill cut off their answers "
                                  f"(at most {WRITERS}, one for each writer)")
    now = get(runtime, "status")["epoch"]
    expect(now > epoch, f"the epoch rose from {epoch} to {now}, so that nothing of the killed process could commit any more")
    answer = run(runtime, "remember that it survived")
    show("POST /agents/hello/run  remember that it survived", answer)

    say("6. Asked to stop, it drains and ends.")
    expect(runtime.stop() == 0, "exit code 0")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", required=True)
    options = parser.parse_args()
    started: list[daemon.Daemon] = []

    with tempfile.TemporaryDirectory(prefix="openagents-demo-") as folder:
        log = os.path.join(folder, "log")
        listen = daemon.free_address()

        def start() -> daemon.Daemon:
            started.append(daemon.Daemon(options.runtime, listen, daemon.free_address(),
                                         os.path.join(folder, "data"), log=log))
            return started[-1]

        try:
            tour(start)
            print(f"\n{paint('1;32', 'Nothing that was acknowledged is lost.')}")
            return 0
        except BaseException:
            with open(log, encoding="utf-8", errors="replace") as lines:
                sys.stderr.write("--- the runtime's log, last lines ---\n" + "".join(lines.readlines()[-20:]))
            raise
        finally:
            for runtime in started:
                if runtime.process.poll() is None:
                    runtime.kill()


if __name__ == "__main__":
    sys.exit(main())
