"""Killing a container as a crash would: with SIGKILL, from outside, without telling Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass

from .kubectl import Kubectl
from .waiting import wait_until


@dataclass(frozen=True)
class Nodes:
    """Reaches the processes of nodes through pods that see them, in a namespace where pods may do so."""

    kube: Kubectl  # bound to a namespace for these pods
    image: str

    def shell(self, node: str) -> str:
        """The name of the pod on that node, started if it is not there yet."""
        name = f"shell-{node}"
        self.kube.apply(
            {"apiVersion": "v1", "kind": "Namespace",
             "metadata": {"name": self.kube.namespace, "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}})
        self.kube.wait("serviceaccount/default", "create", 30)
        self.kube.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
             "spec": {"hostPID": True, "nodeName": node, "terminationGracePeriodSeconds": 0,
                      "automountServiceAccountToken": False,
                      "containers": [{"name": "shell", "image": self.image,
                                      "command": ["/bin/sh", "-c", "sleep 86400"]}]}})
        self.kube.wait(f"pod/{name}", "condition=Ready", 60)
        return name

    def kill(self, pod: dict) -> None:
        """Kills the processes of the pod's first container, and returns when Kubernetes has seen it."""
        before = pod["status"]["containerStatuses"][0]["containerID"]
        self.kube.run("exec", self.shell(pod["spec"]["nodeName"]), "--", "/bin/sh", "-c",
                      f'for f in /proc/[0-9]*/cgroup; do grep -q {before.rpartition("/")[2]} "$f" 2>/dev/null '
                      '|| continue; pid="${f#/proc/}"; kill -9 "${pid%/cgroup}"; done')
        of_pod = self.kube.within(pod["metadata"]["namespace"])

        def seen() -> bool:
            now = of_pod.find("pod", pod["metadata"]["name"])
            return now is None or now["metadata"]["uid"] != pod["metadata"]["uid"] or \
                now["status"]["containerStatuses"][0].get("containerID") != before or \
                "running" not in now["status"]["containerStatuses"][0]["state"]

        wait_until(seen, 60, f"container {before} of pod {pod['metadata']['name']} killed")

    def clean_up(self) -> None:
        self.kube.run("delete", "namespace", self.kube.namespace, "--ignore-not-found", "--wait=false")
