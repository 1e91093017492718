"""Bringing a cluster up, and knowing when it is usable."""

from __future__ import annotations

import json
import pathlib
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from . import basics, components, controlplane, network, oci, pki, processes, programs
from .layout import NODE, Layout
from .machine import Machine, remove

ADDONS = pathlib.Path(__file__).resolve().parent.parent / "addons.yaml"


class Cluster:
    def __init__(self, name: str):
        self.layout = Layout(name)
        self.machine = Machine(self.layout)

    def missing(self) -> list[str]:
        return [name for name in components.ALL if self.machine.process(name) is None]

    def running(self) -> bool:
        return self.machine.exists() and not self.missing()

    def up(self) -> None:
        """Makes the cluster run and usable; starts what is missing and leaves what is there."""
        if self.running() and self.usable() is None:
            return
        started = time.monotonic()
        build_programs()
        if not self.machine.exists():
            remove(self.layout)  # what a cluster left that was killed, or cut off in its start
            try:
                self.machine.create()
            except BaseException:
                remove(self.layout)
                raise
        node = components.Node(self.layout, pki.Authority(self.layout.state / "pki"))
        self.start(components.BASE, node)
        with ThreadPoolExecutor(max_workers=2) as pool:
            images = pool.submit(self._import_own_images)
            node.authority.kubeconfig(self.layout.kubeconfig, components.ENDPOINT.url, "admin", ["system:masters"])
            self._await_api_server(node.authority)
            self.start(components.CLIENTS, node)
            self._apply_addons()
            self.start(components.ADDONS, node)
            images.result()
        self._await_usable()
        basics.say(f"cluster {self.layout.name!r} is usable after {time.monotonic() - started:.1f} s")

    def start(self, names: Sequence[str], node: components.Node | None = None) -> None:
        node = node or components.Node(self.layout, pki.Authority(self.layout.state / "pki"))
        for name in names:
            if self.machine.process(name) is None:
                self.machine.start(name, components.ALL[name](node), components.environment())

    def kubectl(self, *arguments: str, input_text: str | None = None) -> str:
        return basics.run([programs.kubernetes("kubectl"), f"--kubeconfig={self.layout.kubeconfig}", *arguments],
                          input_text=input_text, seconds=60)

    def load(self, archives: Sequence[pathlib.Path]) -> None:
        for archive in archives:
            if not archive.is_file():
                raise basics.HarnessError(f"image archive {archive} must be a file and is not")
            basics.run(["ctr", f"--address={self.layout.containerd_socket}", "--namespace=k8s.io",
                        "images", "import", archive])

    def _import_own_images(self) -> None:
        self._await(lambda: containerd_answers(self.layout), 20, "containerd answering", "containerd")
        with tempfile.TemporaryDirectory(dir=self.layout.state / "tmp") as folder:
            archives = {"pause.tar": oci.pause_archive(programs.pause()),
                        "busybox.tar": oci.busybox_archive(pathlib.Path("/bin/busybox"))}
            for name, content in archives.items():
                (pathlib.Path(folder) / name).write_bytes(content)
            self.load([pathlib.Path(folder) / name for name in archives])

    def _await_api_server(self, authority: pki.Authority) -> None:
        self._await(lambda: controlplane.ready(components.ENDPOINT, authority), 60,
                    "API server ready", "kube-apiserver")

    def _apply_addons(self) -> None:
        text = ADDONS.read_text(encoding="utf-8")
        for mark, value in {"@STANDARD@": self.layout.volumes("standard"),
                            "@FAST_SSD@": self.layout.volumes("fast-ssd"),
                            "@DNS_SERVICE@": network.DNS_SERVICE_ADDRESS,
                            "@NODE_ADDRESS@": network.NODE_ADDRESS}.items():
            text = text.replace(mark, str(value))
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input_text=text)

    def _await(self, condition, seconds: float, what: str, component: str) -> None:
        """Waits, and gives up early when a program that is needed for it has ended."""
        def holds() -> bool:
            if self.machine.process(component) is None:
                raise basics.HarnessError(f"{component} ended: {processes.tail(self.layout.log(component))}")
            return condition()

        basics.wait_until(holds, seconds, what, lambda: processes.tail(self.layout.log(component)))

    def usable(self) -> str | None:
        """None if pods can run, find each other and get volumes; else what is lacking."""
        dead = self.missing()
        if dead:
            return f"{dead[0]} is not running: {processes.tail(self.layout.log(dead[0]))}"
        for namespace in ("default", "local-path-storage"):
            if self._get(f"/api/v1/namespaces/{namespace}/serviceaccounts/default") is None:
                return f"namespace {namespace} has no default service account"
        node = self._get(f"/api/v1/nodes/{NODE}")
        if node is None or not node_ready(node):
            return f"node {NODE} is not Ready"
        # A kubelet that has just started calls its node Ready before it knows its pods.
        bound = self._get(f"/api/v1/pods?fieldSelector=spec.nodeName={NODE}")
        known = self._get(f"/api/v1/nodes/{NODE}/proxy/pods")
        if bound is None or known is None:
            return "the kubelet does not answer"
        unknown = pod_names(bound) - pod_names(known)
        if unknown:
            return f"the kubelet does not know pod {min(unknown)} yet"
        if resolve("kubernetes.default.svc.cluster.local") != network.API_SERVICE_ADDRESS:
            return f"DNS at {network.DNS_SERVICE_ADDRESS} does not answer"
        return None

    def _get(self, path: str) -> dict | None:
        """An object of the API, or None: what the reason is matters less here than that it is not there."""
        authority = pki.Authority(self.layout.state / "pki")
        client = authority.issue("client-admin", "admin", ["system:masters"])
        status, body = controlplane.get(components.ENDPOINT, authority, path, client)
        return json.loads(body) if status == 200 else None

    def _await_usable(self) -> None:
        lack: list[str | None] = [""]

        def holds() -> bool:
            lack[0] = self.usable()
            return lack[0] is None

        basics.wait_until(holds, 60, f"cluster {self.layout.name!r} usable", lambda: lack[0] or "")


def build_programs() -> None:
    programs.pause()
    for name in ("kubernetes", "local-path-provisioner", "coredns"):
        programs.tool(name)


def node_ready(node: dict) -> bool:
    """Ready, and free of the taints that keep pods away from a node that is just being set up."""
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions", []))
    return ready and all(taint["effect"] == "PreferNoSchedule" for taint in node["spec"].get("taints", []))


def pod_names(pods: dict) -> set[str]:
    return {f"{pod['metadata']['namespace']}/{pod['metadata']['name']}" for pod in pods.get("items") or []}


def containerd_answers(layout: Layout) -> bool:
    return subprocess.run(["ctr", f"--address={layout.containerd_socket}", "--connect-timeout=1s", "version"],
                          check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def resolve(name: str, server: str = network.DNS_SERVICE_ADDRESS) -> str | None:
    """The first IPv4 address that the cluster's DNS gives for a name; also proves that Services are routed."""
    query = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0)
    query += b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query += struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        try:
            client.sendto(query, (server, 53))
            answer = client.recv(512)
        except OSError:
            return None
    answers, authorities, additional = struct.unpack(">HHH", answer[6:12])
    # With one A record and nothing after it, its address is the end of the message.
    return socket.inet_ntoa(answer[-4:]) if (answers, authorities, additional) == (1, 0, 0) else None
