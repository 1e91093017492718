"""An agent's own logic in a container beside the runtime: it answers, is replaced, and shows when it cannot run."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import sys

import pytest
from kit import oci

from support.cluster import CLUSTER
from support.waiting import wait_until

HANDLER = pathlib.Path(__file__).parent / "handler.sh"
# What the handler's container runs. Our own cluster is given it; another one pulls what E2E_HANDLER_IMAGE names.
IMAGE = os.environ.get("E2E_HANDLER_IMAGE", "docker.io/local/handler:1")
PORT = 9000


def archive() -> bytes:
    """An image with busybox and handler.sh, which is not run by root."""
    layer = oci.Layer()
    layer.folder("bin")
    layer.file("bin/busybox", pathlib.Path("/bin/busybox").read_bytes(), 0o755)
    for applet in ("head", "nc", "sed", "sh", "wget"):
        layer.link(f"bin/{applet}", "busybox")
    layer.file("handler", HANDLER.read_bytes(), 0o755)
    return oci.archive(IMAGE, layer.bytes(), {"Cmd": ["/bin/nc", "-ll", "-p", str(PORT), "-e", "/handler"],
                                              "Env": ["PATH=/bin"], "User": "65534:65534"})


@pytest.fixture(scope="session")
def image(kubectl, tmp_path_factory) -> str:
    if "E2E_HANDLER_IMAGE" not in os.environ:
        if os.environ.get("KUBECONFIG"):
            pytest.skip("E2E_HANDLER_IMAGE names no image of handler.sh that this cluster can pull")
        path = tmp_path_factory.mktemp("image") / "handler.tar"
        path.write_bytes(archive())
        subprocess.run([sys.executable, CLUSTER, "load", path], check=True, stdin=subprocess.DEVNULL)
    return IMAGE


def container(image: str, **more) -> dict:
    env = [{"name": "MODE", "value": "fast"},
           {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "acme", "key": "token"}}}]
    return {"image": image, "port": PORT, "env": env, "resources": {"limits": {"memory": "64Mi"}}, **more}


def make_secret(kube, name: str, **values: str) -> None:
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values})


@pytest.fixture
def agent(make_agent, kube, image):
    make_secret(kube, "acme", token="s3cret")
    made = make_agent(handler={"container": container(image)})
    made.await_ready()
    return made


def count(client) -> int:
    state = json.loads(client.shell("busybox timeout 20 wget -q -O - http://my-agent/state"))
    return state["count"] if state else 0


def test_it_answers_by_its_own_logic_and_its_state_outlives_the_pod(agent, client):
    assert client.tell("my-agent", "hello") == "1 fast s3cret hello"
    assert client.tell("my-agent", "remind") == "2 fast s3cret remind"
    wait_until(lambda: count(client) == 3, 30, "the alarm that it set by the context API")

    pod = agent.pod()
    assert [each["name"] for each in pod["spec"]["containers"]] == ["agent", "handler"]
    handler = pod["spec"]["containers"][1]
    assert handler["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not handler.get("volumeMounts"), "the disk and the runtime's secrets are the runtime's alone"

    agent.kube.run("delete", "pod", "my-agent-0", "--wait=false")
    agent.await_new_pod(pod["metadata"]["uid"])
    assert client.tell("my-agent", "again") == "4 fast s3cret again"


def test_a_changed_container_gets_a_new_pod(agent, client, image):
    assert client.tell("my-agent", "hello") == "1 fast s3cret hello"
    old = agent.pod()["metadata"]["uid"]
    changed = container(image)
    changed["env"][0]["value"] = "slow"
    agent.kube.run("patch", "agent", "my-agent", "--type=merge", "--patch",
                   json.dumps({"spec": {"handler": {"container": changed}}}))
    agent.await_new_pod(old)
    assert client.tell("my-agent", "hello") == "2 slow s3cret hello"


def test_the_runtime_reads_the_secret_of_a_webhook(make_agent, kube, client, image):
    make_secret(kube, "acme", token="s3cret")
    make_secret(kube, "hooks", github="shared")
    agent = make_agent(handler={"container": container(image)},
                       webhooks=[{"source": "gh", "scheme": "GitHub", "secretRef": {"name": "hooks", "key": "github"}}])
    agent.await_ready()
    body = '{"action":"opened"}'
    signature = hmac.new(b"shared", body.encode(), hashlib.sha256).hexdigest()
    client.shell(f"busybox timeout 20 wget -q -O - --header 'X-Hub-Signature-256: sha256={signature}' "
                 "--header 'X-GitHub-Event: pull_request' --header 'X-GitHub-Delivery: d-1' "
                 "--header 'Content-Type: application/json' "
                 f"--post-data '{body}' http://my-agent/webhooks/gh")
    wait_until(lambda: count(client) == 1, 30, "the webhook's tick")


def test_a_container_that_ends_shows_in_the_agent(make_agent, kube, image):
    make_secret(kube, "acme", token="s3cret")
    agent = make_agent(handler={"container": container(image, command=["/bin/sh", "-c", "exit 3"])})
    assert "exit code 3" in agent.await_condition("Degraded", "True", "HandlerCrashLoop")["message"]
