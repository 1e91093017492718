"""One API server for all tests, a fresh namespace and fresh operator processes for each."""

from __future__ import annotations

import os
import pathlib
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from apiserver import ApiServer
from kit import programs
from support.kubectl import Kubectl
from support.waiting import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]


class Operator:
    """A running openagents-operator."""

    def __init__(self, server: ApiServer, folder: pathlib.Path, *flags: str):
        self.log = folder / f"operator-{len(list(folder.glob('operator-*')))}.log"
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [os.environ["OPERATOR"], f"--kubeconfig={server.kubeconfig}", "--listen=127.0.0.1:0", *flags],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.url = wait_until(self._address, 10, f"address in {self.log}")

    def _address(self) -> str:
        assert self.process.poll() is None, self.log.read_text()
        for line in self.log.read_text().splitlines():
            if '"serving health and metrics"' in line:
                return "http://127.0.0.1:" + line.split('"port":')[1].split("}")[0].split(",")[0]
        return ""

    def metric(self, line: str) -> float:
        """The sum of all samples whose name and labels begin with `line`."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        return sum(float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line))

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        kubectl = Kubectl(str(programs.kubernetes("kubectl")), str(running.kubeconfig))
        kubectl.run("apply", "--server-side", f"--filename={ROOT / 'crds' / 'agent.yaml'}")
        kubectl.wait("customresourcedefinition/agents.openagents.com", "condition=established")
        yield running


@pytest.fixture
def kubectl(server: ApiServer, request: pytest.FixtureRequest) -> Kubectl:
    namespace = request.node.name.replace("_", "-")[5:60].rstrip("-")
    everywhere = Kubectl(str(programs.kubernetes("kubectl")), str(server.kubeconfig))
    everywhere.run("create", "namespace", namespace)
    return everywhere.within(namespace)


@pytest.fixture
def start_operator(server: ApiServer, kubectl: Kubectl, tmp_path: pathlib.Path):
    started: list[Operator] = []

    def start(*flags: str) -> Operator:
        started.append(Operator(server, tmp_path, f"--namespaces={kubectl.namespace}", *flags))
        return started[-1]

    yield start
    for operator in started:
        if operator.process.poll() is None:
            operator.kill()
