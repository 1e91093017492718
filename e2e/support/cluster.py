"""The cluster that the tests run on: KUBECONFIG's, or this machine's own, with the operator in it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

from kit import basics

from .kubectl import Kubectl

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / "e2e" / "cluster" / "cluster.py"
DEPLOY = ROOT / "deploy" / "deploy.py"
# What client pods run. Our own cluster carries it; another one pulls what E2E_CLIENT_IMAGE names.
CLIENT_IMAGE = os.environ.get("E2E_CLIENT_IMAGE", "docker.io/local/busybox:1")


class CannotRun(Exception):
    """Why there is no cluster to test on, in one line."""


@dataclass(frozen=True)
class TestCluster:
    kube: Kubectl
    started_here: bool  # by this session, which then also ends it


def refusal() -> str | None:
    """Why the tests cannot run here, if so."""
    if os.environ.get("KUBECONFIG") or os.geteuid() == 0:
        return None
    return "e2e needs a cluster: set KUBECONFIG to use one, or run as root to have one started on this machine"


def alone() -> contextlib.AbstractContextManager[None]:
    """One session at a time on this machine's own cluster: the first one's end would be the next one's, too."""
    return contextlib.nullcontext() if os.environ.get("KUBECONFIG") else basics.file_lock("e2e")


def _run(*words: str | os.PathLike, kubeconfig: str | None = None) -> str:
    """The command's stdout. Its progress goes to our stderr as it comes; the last line says why it failed."""
    env = os.environ | ({"KUBECONFIG": kubeconfig} if kubeconfig else {})
    process = subprocess.Popen([sys.executable, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    last = ""
    for line in process.stderr:
        last = line.strip() or last
        print(line, end="", file=sys.__stderr__, flush=True)
    answer = process.stdout.read()
    if process.wait() != 0:
        raise CannotRun(f"{' '.join(map(str, words))} failed: {last}")
    return answer


def bring_up() -> TestCluster:
    given = os.environ.get("KUBECONFIG")
    started = False
    if given:
        kubeconfig = given
    else:
        running = subprocess.run([sys.executable, CLUSTER, "env"], check=False, capture_output=True).returncode == 0
        kubeconfig = _run(CLUSTER, "up").strip().partition("=")[2]
        started = not running
    try:
        _run(DEPLOY, kubeconfig=kubeconfig)
    except CannotRun:
        take_down(started)
        raise
    program = (shutil.which("kubectl") if given else None) or f"{_run(CLUSTER, 'bin-dir').strip()}/kubectl"
    return TestCluster(Kubectl(program, kubeconfig), started)


def take_down(started_here: bool) -> None:
    if started_here and not os.environ.get("E2E_KEEP_CLUSTER"):
        _run(CLUSTER, "down")
