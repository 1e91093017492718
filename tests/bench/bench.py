#!/usr/bin/env python3
"""What the product costs, measured on a release build (`make bench`): memory of an idle runtime,
memory of the operator with 100 agents, and the time from `kubectl apply` to Ready beside that of a
bare StatefulSet with the same pod. Prints a table; no figure makes it fail."""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

import memory
import ready

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))
import daemon  # noqa: E402 (found by the line above)

APISERVER = ROOT / "e2e" / "cluster" / "apiserver.py"
CLUSTER = ROOT / "e2e" / "cluster" / "cluster.py"


def runtime_idle(build: pathlib.Path) -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory(prefix="openagents-bench-") as folder:
        runtime = daemon.Daemon(str(build / "runtime-pod" / "agent-runtime"), daemon.free_address(),
                                daemon.free_address(), f"{folder}/data", log=f"{folder}/log")
        try:
            if not runtime.wait_ready():
                raise SystemExit("the runtime did not become ready:\n" + pathlib.Path(folder, "log").read_text())
            runtime.call("POST", "/agents/hello/run", "remember this")
            pid = runtime.process.pid
            return [("runtime, one idle agent: anonymous memory", f"{memory.settled(pid, 'RssAnon'):.1f} MiB", "at most 8"),
                    ("runtime, one idle agent: resident memory", f"{memory.read(pid, 'VmRSS'):.1f} MiB", "")]
        finally:
            runtime.stop()


def operator_memory(build: pathlib.Path) -> list[tuple[str, str, str]]:
    """In a process of its own, below an API server that nothing else uses."""
    inner = subprocess.run([sys.executable, str(APISERVER), "run", "--", sys.executable,
                            str(ROOT / "tests" / "bench" / "operator_memory.py"),
                            str(build / "operator" / "openagents-operator")],
                           stdout=subprocess.PIPE, text=True, check=True)
    rows = [line.split("\t") for line in inner.stdout.splitlines()]
    return [(name, value, goal) for name, value, goal in rows]


def apply_to_ready(rounds: int) -> list[tuple[str, str, str]]:
    """On KUBECONFIG's cluster with the operator in it, or on our own, which is started for it and stopped."""
    ours = "KUBECONFIG" not in os.environ
    try:
        if ours:
            subprocess.run([sys.executable, str(CLUSTER), "up"], stdout=subprocess.DEVNULL, check=True)
            deployed = subprocess.run([sys.executable, str(ROOT / "deploy" / "deploy.py")], stdout=subprocess.PIPE,
                                      text=True, check=True).stdout
            os.environ["KUBECONFIG"] = deployed.strip().rpartition("=")[2]
        return ready.measure(rounds)
    finally:
        if ours:
            os.environ.pop("KUBECONFIG", None)
            subprocess.run([sys.executable, str(CLUSTER), "down"], stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="the folder of the release build")
    parser.add_argument("--rounds", type=int, default=7, help="applies of each kind, taken in turn")
    parser.add_argument("--only", choices=("runtime", "operator", "ready"))
    options = parser.parse_args()

    rows: list[tuple[str, str, str]] = []
    for name, measure in (("runtime", lambda: runtime_idle(options.build)),
                          ("operator", lambda: operator_memory(options.build)),
                          ("ready", lambda: apply_to_ready(options.rounds))):
        if options.only in (None, name):
            print(f"measuring: {name}", file=sys.stderr)
            rows += measure()
    print(f"\n{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}\n")
    print("| Measure | Value | Goal |\n|---|---|---|")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
