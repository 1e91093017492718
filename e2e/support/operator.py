"""The operator as installed: its pods and who leads."""

from __future__ import annotations

from dataclasses import dataclass

from .agents import is_ready
from .kubectl import Kubectl
from .waiting import wait_until

NAMESPACE = "openagents-system"
NAME = "openagents-operator"


@dataclass(frozen=True)
class Operator:
    kube: Kubectl  # bound to the operator's namespace

    def pods(self) -> list[dict]:
        return self.kube.list("pods", f"app.kubernetes.io/name={NAME}")

    def holder(self) -> str:
        """Who the Lease says leads; empty while nobody does."""
        lease = self.kube.find("lease", NAME)
        return ((lease or {}).get("spec") or {}).get("holderIdentity") or ""

    def leader(self) -> dict:
        """The pod that leads: a holder's name begins with its pod's."""
        def look() -> dict | None:
            holder = self.holder()
            return next((pod for pod in self.pods() if holder.startswith(pod["metadata"]["name"])
                         and is_ready(pod)), None)

        return wait_until(look, 60, "a pod that holds the Lease")

    def await_available(self) -> None:
        """Every replica is there and ready, so that the next test finds what this one found."""
        wait_until(lambda: len([pod for pod in self.pods() if is_ready(pod)]) == self._replicas(), 90,
                   "every replica of the operator ready")

    def _replicas(self) -> int:
        return self.kube.get("deployment", NAME)["spec"]["replicas"]

    def runtime_image(self) -> str:
        """The image of agents that name none, as the operator was told."""
        container = self.kube.get("deployment", NAME)["spec"]["template"]["spec"]["containers"][0]
        return next(word.partition("=")[2] for word in container["args"] if word.startswith("--runtime-image="))

    def delete_now(self, *pods: dict) -> None:
        """Without grace: the API server forgets the pods at once, and the kubelet kills what runs."""
        self.kube.run("delete", "pod", *(pod["metadata"]["name"] for pod in pods), "--grace-period=0", "--force",
                      "--wait=false")
