"""The operator as it is installed: may what it must and no more, and installing again changes nothing."""

import json
import os
import subprocess
import sys

import pytest

from support.cluster import DEPLOY, ROOT
from support.operator import NAME, NAMESPACE, Operator

USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"


@pytest.fixture(scope="module")
def operator(kubectl) -> Operator:
    return Operator(kubectl.within(NAMESPACE))


def may(kubectl, verb: str, resource: str, user: str = USER) -> bool:
    """In kubectl's namespace, or in `default`, which is to the operator like any other."""
    kind, _, subresource = resource.partition("/")
    return kubectl.try_run("auth", "can-i", verb, kind, f"--subresource={subresource}",
                           f"--as={user}").stdout.strip() == "yes"


@pytest.mark.parametrize("verb, resource", [("patch", "statefulsets.apps"), ("patch", "agents.openagents.com/status"),
                                            ("delete", "pods"), ("create", "events.events.k8s.io")])
def test_the_operator_may_do_its_work(kubectl, verb, resource):
    assert may(kubectl, verb, resource)


@pytest.mark.parametrize("verb, resource", [("get", "secrets"), ("create", "pods"), ("create", "pods/exec"),
                                            ("patch", "agents.openagents.com"), ("list", "nodes"),
                                            ("create", "rolebindings.rbac.authorization.k8s.io"),
                                            ("create", "leases.coordination.k8s.io"), ("impersonate", "users")])
def test_the_operator_may_do_nothing_else(kubectl, verb, resource):
    assert not may(kubectl, verb, resource)


@pytest.mark.parametrize("role, writes", [("view", False), ("edit", True), ("admin", True)])
def test_the_roles_of_kubernetes_itself_grant_agents_to_people(kube, role, writes):
    kube.run("create", "rolebinding", "someone", f"--clusterrole={role}", "--user=someone")
    assert may(kube, "get", "agents.openagents.com", "someone")
    assert may(kube, "create", "agents.openagents.com", "someone") == writes
    assert may(kube, "patch", "agents.openagents.com/scale", "someone") == writes
    assert not may(kube, "patch", "agents.openagents.com/status", "someone")


def test_no_rule_has_a_wildcard(kubectl):
    rules = json.loads(kubectl.run("get", "clusterrole", NAME, "--output=json"))["rules"]
    assert all("*" not in words for rule in rules for words in rule.values())


def test_installing_again_changes_nothing(kubectl, operator):
    def state() -> list:
        return [operator.kube.get("deployment", NAME)["metadata"]["generation"],
                sorted(pod["metadata"]["uid"] for pod in operator.pods())]

    before = state()
    subprocess.run([sys.executable, DEPLOY], check=True, stdin=subprocess.DEVNULL,
                   env=os.environ | {"KUBECONFIG": kubectl.kubeconfig})
    assert state() == before


def test_the_namespaced_install_grants_nothing_cluster_wide_to_the_operator(kubectl):
    rendered = kubectl.run("kustomize", str(ROOT / "deploy" / "kustomize" / "overlays" / "namespaced"))
    objects = [json.loads(kubectl.run("create", "--dry-run=client", "--filename=-", "--output=json", "--validate=false",
                                      stdin=part)) for part in rendered.split("\n---\n")]
    bound = [(each["kind"], each["metadata"].get("namespace")) for each in objects
             if each["kind"].endswith("Binding") and each["subjects"][0]["name"] == NAME]
    assert sorted(bound) == [("RoleBinding", NAMESPACE), ("RoleBinding", "team-a")]
    roles = [each for each in objects if each["kind"] == "Role" and each["metadata"]["namespace"] == "team-a"]
    assert roles[0]["rules"] == json.loads(kubectl.run("get", "clusterrole", NAME, "--output=json"))["rules"]

