"""The node's programs: their command lines, in the order in which they start."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from . import configs, controlplane, network, pki, programs
from .layout import NODE, Layout

ENDPOINT = controlplane.ApiEndpoint(network.NODE_ADDRESS, 6443, "http://127.0.0.1:2379", "http://127.0.0.1:2380")

# Programs that talk to the API server: the user, and the groups, that each is to it.
USERS = {
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kubelet": (f"system:node:{NODE}", ("system:nodes",)),
    "kube-proxy": ("system:kube-proxy", ()),
    "coredns": ("coredns", ()),
    "local-path-provisioner": ("local-path-provisioner", ()),
}


@dataclass(frozen=True)
class Node:
    """What command lines are made from: the cluster's folders and its certificate authority."""

    layout: Layout
    authority: pki.Authority

    def kubeconfig(self, component: str) -> pathlib.Path:
        user, groups = USERS[component]
        return self.authority.kubeconfig(self.layout.kubeconfig_of(component), ENDPOINT.url, user, groups)

    def write(self, file: str, content: str) -> pathlib.Path:
        path = self.layout.config(file)
        path.write_text(content, encoding="utf-8")
        return path


def etcd(node: Node) -> list[str]:
    return controlplane.etcd_command(programs.kubernetes("etcd"), node.layout.state / "etcd", ENDPOINT)


def kube_apiserver(node: Node) -> list[str]:
    certificate, key = node.authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    # Of an authority of its own: who holds one of its certificates may speak for any user.
    proxies = pki.Authority(node.authority.directory / "front-proxy")
    proxy_certificate, proxy_key = proxies.issue("client", "front-proxy-client")
    return controlplane.api_server_command(programs.kubernetes("kube-apiserver"), node.authority, ENDPOINT) + [
        "--enable-admission-plugins=NodeRestriction",
        f"--kubelet-client-certificate={certificate}", f"--kubelet-client-key={key}",
        f"--kubelet-certificate-authority={node.authority.certificate}",
        # Names of nodes are in no DNS, so logs and exec must go by address.
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={proxies.certificate}", "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={proxy_certificate}", f"--proxy-client-key-file={proxy_key}",
    ]


def kube_controller_manager(node: Node) -> list[str]:
    kubeconfig = node.kubeconfig("kube-controller-manager")
    private, _ = node.authority.signing_key("service-accounts")
    return [
        str(programs.kubernetes("kube-controller-manager")), f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials",
        f"--cluster-cidr={network.POD_RANGE}", f"--service-cluster-ip-range={network.SERVICE_RANGE}",
        "--allocate-node-cidrs=true",
        f"--root-ca-file={node.authority.certificate}", f"--service-account-private-key-file={private}",
        f"--cluster-signing-cert-file={node.authority.certificate}",
        f"--cluster-signing-key-file={node.authority.key}",
    ]


def kube_scheduler(node: Node) -> list[str]:
    kubeconfig = node.kubeconfig("kube-scheduler")
    return [
        str(programs.kubernetes("kube-scheduler")), f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1", "--leader-elect=false",
    ]


def containerd(node: Node) -> list[str]:
    (node.layout.state / "cni" / "10-pods.conflist").write_text(configs.cni(node.layout), encoding="utf-8")
    return ["/usr/bin/containerd", "--config",
            str(node.write("containerd.toml", configs.containerd(node.layout)))]


def kubelet(node: Node) -> list[str]:
    certificate, key = node.authority.issue("kubelet-serving", f"system:node:{NODE}", ["system:nodes"],
                                            [f"DNS:{NODE}", f"IP:{network.NODE_ADDRESS}"])
    node.write("resolv.conf", f"nameserver {network.DNS_SERVICE_ADDRESS}\n")
    config = node.write("kubelet.json", configs.kubelet(node.layout, str(node.authority.certificate),
                                                        str(certificate), str(key)))
    return [
        str(programs.kubernetes("kubelet")), f"--config={config}", f"--kubeconfig={node.kubeconfig('kubelet')}",
        f"--root-dir={node.layout.state}/kubelet", f"--cert-dir={node.layout.state}/kubelet/pki",
        f"--hostname-override={NODE}", f"--node-ip={network.NODE_ADDRESS}",
    ]


def kube_proxy(node: Node) -> list[str]:
    node.kubeconfig("kube-proxy")
    config = node.write("kube-proxy.json", configs.kube_proxy(node.layout))
    return [str(programs.kubernetes("kube-proxy")), f"--config={config}"]


def coredns(node: Node) -> list[str]:
    node.kubeconfig("coredns")
    return [str(programs.tool("coredns") / "coredns"), "-conf",
            str(node.write("Corefile", configs.corefile(node.layout)))]


def local_path_provisioner(node: Node) -> list[str]:
    return [
        str(programs.tool("local-path-provisioner") / "local-path-provisioner"), "start",
        f"--kubeconfig={node.kubeconfig('local-path-provisioner')}",
        f"--config={node.write('provisioner.json', configs.provisioner(node.layout))}",
        f"--helper-pod-file={node.write('helper-pod.json', configs.helper_pod())}",
        "--helper-image=docker.io/local/busybox:1", "--service-account-name=default",
        "--namespace=local-path-storage", "--configmap-name=local-path-config",
    ]


# The API server and containerd stand on nothing; the others are started once the API server answers.
BASE: dict[str, Callable[[Node], list[str]]] = {
    "containerd": containerd,
    "etcd": etcd,
    "kube-apiserver": kube_apiserver,
}
CLIENTS: dict[str, Callable[[Node], list[str]]] = {
    "kubelet": kubelet,
    "kube-controller-manager": kube_controller_manager,
    "kube-scheduler": kube_scheduler,
    "kube-proxy": kube_proxy,
}
# Their rights come with addons.yaml; started before it is applied they would back off first.
ADDONS: dict[str, Callable[[Node], list[str]]] = {
    "coredns": coredns,
    "local-path-provisioner": local_path_provisioner,
}
ALL = BASE | CLIENTS | ADDONS


def environment() -> dict[str, str]:
    """What the programs get to see: no proxy and no credentials of the caller's."""
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
            "LANG": "C.UTF-8", "TMPDIR": os.environ.get("TMPDIR", "/tmp")}
