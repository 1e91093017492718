"""Fixtures of the stories: a cluster with the operator in it, and one fresh namespace per test."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from support import agents, cluster, diagnosis
from support.agents import Agent, Client
from support.kubectl import Kubectl
from support.node import Nodes
from support.operator import NAMESPACE as OPERATOR_NAMESPACE
from support.operator import Operator


def pytest_configure(config: pytest.Config) -> None:
    why = None if config.option.collectonly else cluster.refusal()
    if why:
        raise pytest.UsageError(why)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when in ("setup", "call"):
        kube = getattr(item, "funcargs", {}).get("kube")
        if kube is not None:
            report.sections.append(("the cluster as the test left it", diagnosis.describe(kube)))


@pytest.fixture(scope="session")
def kubectl() -> Iterator[Kubectl]:
    """kubectl for the whole cluster, which is brought up and gets the operator first."""
    with cluster.alone():
        try:
            found = cluster.bring_up()
        except cluster.CannotRun as why:
            pytest.exit(str(why), returncode=1)
        yield found.kube
        cluster.take_down(found.started_here)


@pytest.fixture
def kube(kubectl: Kubectl, request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """kubectl bound to a namespace of the test's own, which enforces restricted Pod Security."""
    story = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    name = f"e2e-{story}-{secrets.token_hex(2)}"
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace",
                   "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
    yield kubectl.within(name)
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.fixture
def client(kube: Kubectl) -> Client:
    kube.wait("serviceaccount/default", "create", 30)
    kube.apply(agents.client_pod(cluster.CLIENT_IMAGE))
    kube.wait("pod/client", "condition=Ready", 60)
    return Client(kube)


@pytest.fixture
def make_agent(kube: Kubectl) -> Callable[..., Agent]:
    """Applies an agent of the given name and spec; does not wait for it."""
    def make(name: str = "my-agent", **spec) -> Agent:
        kube.apply(agents.manifest(name, **spec))
        return Agent(kube, name)

    return make


@pytest.fixture
def operator(kubectl: Kubectl) -> Iterator[Operator]:
    """The operator, for tests that harm it; whole again when the test has ended."""
    found = Operator(kubectl.within(OPERATOR_NAMESPACE))
    found.await_available()
    yield found
    found.await_available()


@pytest.fixture(scope="session")
def nodes(kubectl: Kubectl) -> Iterator[Nodes]:
    found = Nodes(kubectl.within(f"e2e-nodes-{secrets.token_hex(2)}"), cluster.CLIENT_IMAGE)
    yield found
    found.clean_up()
