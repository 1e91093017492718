"""From `kubectl apply` to Ready: an Agent, and beside it, in the same run and in turn, a bare
StatefulSet with the very pod template and claim that the operator made for an Agent."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "e2e"))
from support.kubectl import Kubectl  # noqa: E402 (found by the line above)

NAMESPACE = "openagents-bench"


def agent(name: str) -> dict:
    return {"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": name},
            "spec": {"storage": {"size": "1Gi", "whenDeleted": "Delete"}}}


def bare(name: str, made: dict) -> dict:
    """The operator's StatefulSet under another name, with nothing that leads back to an agent."""
    spec = json.loads(json.dumps(made["spec"]))
    labels = {"bench": name}
    spec["selector"] = {"matchLabels": labels}
    spec["template"]["metadata"]["labels"] = labels
    spec["serviceName"] = name
    for claim in spec["volumeClaimTemplates"]:
        claim.pop("status", None)
        claim["metadata"] = {"name": claim["metadata"]["name"]}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def seconds_until(kube: Kubectl, manifest: dict, what: str, condition: str) -> float:
    began = time.monotonic()
    kube.apply(manifest)
    kube.wait(what, condition, 120)
    return time.monotonic() - began


def kubectl_program() -> str:
    own = subprocess.run([sys.executable, str(ROOT / "e2e" / "cluster" / "cluster.py"), "bin-dir"],
                         stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return shutil.which("kubectl") or str(pathlib.Path(own) / "kubectl")


def measure(rounds: int) -> list[tuple[str, str, str]]:
    kube = Kubectl(kubectl_program(), os.environ["KUBECONFIG"], NAMESPACE)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        # The first of each is not counted: it brings the image's layers into the node's memory.
        seconds_until(kube, agent("first"), "agent/first", "condition=Ready")
        template = kube.get("statefulset", "first")
        seconds_until(kube, bare("bare-first", template), "statefulset/bare-first", "jsonpath={.status.readyReplicas}=1")
        ours, theirs = [], []
        for number in range(rounds):
            ours.append(seconds_until(kube, agent(f"agent-{number}"), f"agent/agent-{number}", "condition=Ready"))
            theirs.append(seconds_until(kube, bare(f"bare-{number}", template), f"statefulset/bare-{number}",
                                        "jsonpath={.status.readyReplicas}=1"))
            kube.run("delete", f"agent/agent-{number}", f"statefulset/bare-{number}", "--wait=true")
    finally:
        kube.run("delete", "namespace", NAMESPACE, "--wait=true", seconds=180)
    both = statistics.median(ours), statistics.median(theirs)
    return [(f"apply to Ready, Agent, median of {rounds}", f"{both[0]:.2f} s", ""),
            (f"apply to Ready, bare StatefulSet with the same pod and claim, median of {rounds}", f"{both[1]:.2f} s", ""),
            ("ratio of the two", f"{both[0] / both[1]:.2f}", "")]
