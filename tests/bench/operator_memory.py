#!/usr/bin/env python3
"""Memory of the operator with 100 agents, against the API server of KUBECONFIG, which has nobody
else. There is no kubelet: the children are made, their pods are not. Run by bench.py."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time

import memory

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "e2e")]
import daemon  # noqa: E402 (found by the line above)
from support.kubectl import Kubectl  # noqa: E402
from support.waiting import wait_until  # noqa: E402

AGENTS = 100


def agents() -> list[dict]:
    return [{"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": f"agent-{number}"},
             "spec": {"resources": {"limits": {"memory": "256Mi", "cpu": "500m"}}, "storage": {"size": "1Gi"}}}
            for number in range(AGENTS)]


def main() -> int:
    kube = Kubectl("kubectl", os.environ["KUBECONFIG"])
    kube.run("apply", "--server-side", f"--filename={ROOT / 'crds' / 'agent.yaml'}")
    kube.wait("crd/agents.openagents.com", "condition=Established", 30)
    kube.run("apply", "--server-side", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": agents()}))

    log_path = pathlib.Path(os.environ["KUBECONFIG"]).parent / "operator.log"
    with open(log_path, "wb") as log:
        began = time.monotonic()
        operator = subprocess.Popen([sys.argv[1], "--listen", daemon.free_address()], stdout=log, stderr=log)
        try:
            wait_until(lambda: operator.poll() is not None or len(kube.list("statefulsets")) == AGENTS, 120,
                       f"{AGENTS} StatefulSets")
            if operator.poll() is not None:
                raise SystemExit(f"the operator ended: {log_path.read_text(encoding='utf-8')}")
            seconds = time.monotonic() - began
            resident = memory.settled(operator.pid, "VmRSS")
            print(f"operator, {AGENTS} agents: resident memory\t{resident:.1f} MiB\tat most 25")
            print(f"operator, {AGENTS} agents: anonymous memory\t{memory.read(operator.pid, 'RssAnon'):.1f} MiB\t")
            print(f"operator, start until all children of {AGENTS} agents exist\t{seconds:.1f} s\t")
        finally:
            operator.terminate()
            operator.wait(timeout=30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
