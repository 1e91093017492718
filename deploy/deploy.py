#!/usr/bin/env python3
"""Installs the operator, from this tree, into a cluster; again and again if need be. See README.md.

The cluster is KUBECONFIG's or, without it, the one that `make cluster` started.
Images go into our own cluster directly, and to $IMAGE_REGISTRY for any other.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import images
from kit import basics

CLUSTER = images.ROOT / "e2e" / "cluster" / "cluster.py"
BASE = images.ROOT / "deploy" / "kustomize" / "base"
OVERLAY = images.ROOT / "build" / "deploy"
NAMESPACE = "openagents-system"
OPERATOR = "openagents-operator"
READY_SECONDS = 120


@dataclass(frozen=True)
class Target:
    """A cluster to install into; `own` is the one of e2e/cluster on this machine."""

    kubeconfig: str
    own: bool
    kubectl_program: str

    def kubectl(self, *words: str, seconds: float = 60) -> str:
        return basics.run([self.kubectl_program, f"--kubeconfig={self.kubeconfig}", *words], seconds=seconds)


def own_kubeconfig() -> str | None:
    """The kubeconfig of this machine's own cluster, if it runs."""
    done = subprocess.run([sys.executable, CLUSTER, "env"], check=False, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    return done.stdout.strip().partition("=")[2] if done.returncode == 0 else None


def kubectl_program(own: bool) -> str:
    found = None if own else shutil.which("kubectl")
    return found or str(pathlib.Path(basics.run([sys.executable, CLUSTER, "bin-dir"]).strip()) / "kubectl")


def find_target() -> Target:
    given, own = os.environ.get("KUBECONFIG"), own_kubeconfig()
    if not given and not own:
        raise basics.HarnessError("no cluster to install into: set KUBECONFIG, or start one with: make cluster")
    is_own = own is not None and (not given or os.path.realpath(given) == os.path.realpath(own))
    if not is_own and not os.environ.get("IMAGE_REGISTRY"):
        raise basics.HarnessError(f"IMAGE_REGISTRY must name a registry that the cluster of KUBECONFIG={given} pulls "
                                  "from, such as registry.example.com/openagents, and is not set")
    return Target(own if is_own else given, is_own, kubectl_program(is_own))


def load(target: Target, built: Sequence[images.Image]) -> dict[str, str]:
    """Imports what the node does not have; the archives carry the images' own names."""
    nodes = json.loads(target.kubectl("get", "nodes", "--output=json"))["items"]
    present = {name for node in nodes for image in node["status"].get("images", []) for name in image.get("names", [])}
    missing = [str(image.archive) for image in built if image.reference not in present]
    if missing:
        basics.run([sys.executable, CLUSTER, "load", *missing], seconds=120)
    return {image.repository: image.reference for image in built}


def push(registry: str, built: Sequence[images.Image]) -> dict[str, str]:
    """Pushes to the registry under the same last name and tag. Credentials are buildah's own business."""
    if shutil.which("buildah") is None:
        raise basics.HarnessError("buildah must be installed to push to IMAGE_REGISTRY and is not: run "
                                  "cmake/install-packages.sh e2e")
    pushed = {}
    with tempfile.TemporaryDirectory(prefix="openagents-push-") as folder:
        policy = pathlib.Path(folder) / "policy.json"
        policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n', encoding="utf-8")
        buildah = ["buildah", f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs"]
        for image in built:
            name = f"{registry.rstrip('/')}/{image.name}:{image.tag}"
            basics.say(f"pushing {name}")
            pulled = basics.run([*buildah, "pull", "--quiet", f"--signature-policy={policy}",
                                 f"oci-archive:{image.archive}:{image.reference}"]).strip()
            basics.run([*buildah, "push", "--quiet", f"--signature-policy={policy}", pulled, f"docker://{name}"])
            pushed[image.repository] = name
    return pushed


def write_overlay(references: dict[str, str]) -> None:
    """The base with exact images: a changed image is a changed pod template, and nothing else is."""
    operator, runtime = (references[f"docker.io/openagents/{name}"] for name in ("operator", "agent-runtime"))
    name, _, tag = operator.rpartition(":")
    OVERLAY.mkdir(parents=True, exist_ok=True)
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
        "resources": [os.path.relpath(BASE, OVERLAY)],
        "images": [{"name": "docker.io/openagents/operator", "newName": name, "newTag": tag}],
        "patches": [{"target": {"kind": "Deployment", "name": OPERATOR}, "patch": json.dumps([
            {"op": "test", "path": "/spec/template/spec/containers/0/args/0",
             "value": "--runtime-image=docker.io/openagents/agent-runtime:latest"},
            {"op": "replace", "path": "/spec/template/spec/containers/0/args/0",
             "value": f"--runtime-image={runtime}"}])}],
    }
    (OVERLAY / "kustomization.yaml").write_text(json.dumps(overlay, indent=2) + "\n", encoding="utf-8")


def install(target: Target) -> None:
    target.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=openagents-deploy",
                   "--kustomize", str(OVERLAY))
    target.kubectl("wait", "--for=condition=Established", "crd/agents.openagents.com", "--timeout=30s")
    try:
        target.kubectl("rollout", "status", f"deployment/{OPERATOR}", f"--namespace={NAMESPACE}",
                       f"--timeout={READY_SECONDS}s", seconds=READY_SECONDS + 30)
    except basics.HarnessError as error:
        print_state(target)
        raise basics.HarnessError(f"the operator must be available within {READY_SECONDS} s and is not: {error}") \
            from error


def print_state(target: Target) -> None:
    for words in (("get", "pods", "--output=wide"), ("get", "events", "--field-selector=type=Warning"),
                  ("logs", f"--selector=app.kubernetes.io/name={OPERATOR}", "--tail=5", "--prefix", "--ignore-errors")):
        done = subprocess.run([target.kubectl_program, f"--kubeconfig={target.kubeconfig}",
                               f"--namespace={NAMESPACE}", *words], check=False, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        basics.say(done.stdout + done.stderr)


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    target = find_target()
    built = [images.build(name) for name in images.NAMES]
    write_overlay(load(target, built) if target.own else push(os.environ["IMAGE_REGISTRY"], built))
    install(target)
    basics.say(f"the operator is available in namespace {NAMESPACE}")
    print(f"export KUBECONFIG={target.kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(main))
