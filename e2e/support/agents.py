"""Agents as the tests make, read and talk to them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from .kubectl import Kubectl
from .waiting import wait_until

READY_SECONDS = 60
POD_SELECTOR = "openagents.com/agent"


def manifest(name: str, **spec) -> dict:
    """A small agent; `spec` adds to it or replaces its parts."""
    small = {"resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}},
             "storage": {"size": "128Mi"}}
    return {"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": name}, "spec": small | spec}


def condition(agent: dict | None, kind: str) -> dict:
    """One condition of an agent, or {} while there is none."""
    conditions = ((agent or {}).get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


@dataclass(frozen=True)
class Agent:
    """One agent in the test's namespace."""

    kube: Kubectl
    name: str

    @property
    def claim(self) -> str:
        return f"state-{self.name}-0"

    def get(self) -> dict:
        return self.kube.get("agent", self.name)

    def await_ready(self, seconds: float = READY_SECONDS) -> None:
        self.kube.wait(f"agent/{self.name}", "condition=Ready", seconds)

    def await_condition(self, kind: str, status: str, reason: str, seconds: float = READY_SECONDS) -> dict:
        def look() -> dict | None:
            seen = condition(self.kube.find("agent", self.name), kind)
            return seen if (seen.get("status"), seen.get("reason")) == (status, reason) else None

        try:
            return wait_until(look, seconds, f"agent {self.name}: {kind}={status}, reason {reason}")
        except AssertionError as error:
            raise AssertionError(f"{error}; its conditions: {json.dumps(self.get().get('status'))}") from None

    def pods(self) -> list[dict]:
        return self.kube.list("pods", f"{POD_SELECTOR}={self.name}")

    def pod(self) -> dict:
        return wait_until(lambda: next(iter(self.pods()), None), 30, f"a pod of agent {self.name}")

    def await_new_pod(self, old_uid: str, seconds: float = READY_SECONDS) -> dict:
        """The pod that took the place of another one, once the agent is ready with it."""
        def look() -> dict | None:
            return next((pod for pod in self.pods() if pod["metadata"]["uid"] != old_uid and is_ready(pod)), None)

        found = wait_until(look, seconds, f"a ready pod of agent {self.name} other than {old_uid}")
        self.await_ready(seconds)
        return found

    def await_no_pod(self, seconds: float = READY_SECONDS) -> None:
        wait_until(lambda: not self.pods(), seconds, f"agent {self.name} without a pod")


def is_ready(pod: dict) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True"
               for each in (pod.get("status") or {}).get("conditions") or [])


@dataclass(frozen=True)
class Client:
    """A pod of the namespace that talks to agents by the names of their Services."""

    kube: Kubectl
    pod: str = "client"

    def shell(self, script: str, seconds: float = 60) -> str:
        return self.kube.run("exec", self.pod, "--", "/bin/sh", "-c", script, seconds=seconds)

    def post(self, url: str, body: str, seconds: float = 20) -> str:
        # That wget's own -T crashes, so the time limit is put around it.
        return self.shell(f"busybox timeout {seconds:g} wget -q -O - "
                          f"--post-data {shlex.quote(body)} {shlex.quote(url)}")

    def tell(self, agent: str, text: str) -> object:
        """What the agent answers to a text: the `output` of POST /run."""
        answer = self.post(f"http://{agent}/run", text)
        try:
            return json.loads(answer)["output"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise AssertionError(f"agent {agent} answered {text!r} with {answer!r}, which must be JSON with an "
                                 "output") from None

    def notes(self, agent: str) -> list[str]:
        """The texts of the agent's notes, oldest first."""
        state = json.loads(self.shell(f"busybox timeout 20 wget -q -O - http://{agent}/state"))
        return [note["text"] for note in state["notes"]] if state else []  # null before the first tick


def client_pod(image: str) -> dict:
    """Fits a namespace that enforces restricted Pod Security, and ends at once when asked to."""
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"},
        "spec": {
            "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65534, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "client", "image": image, "command": ["/bin/sh", "-c", "sleep 86400"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }


