"""Configuration files of the node's programs, as values. JSON is YAML, so the programs read it."""

from __future__ import annotations

import json

from . import cgroups, network, oci
from .layout import NODE, Layout


def containerd(layout: Layout) -> str:
    return f"""\
version = 2
root = "{layout.state}/containerd"
state = "{layout.run}/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
]

[grpc]
address = "{layout.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{oci.PAUSE}"
# Virtual machines of build services often lack CAP_SYS_RESOURCE, and then a lowered score fails every sandbox.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{layout.state}/cni"
"""


def cni(layout: Layout) -> str:
    """Each pod on a wire of its own, and no bridge: pods of one node then meet only through the node's
    routing, where Services are translated, whether or not the kernel filters bridged traffic."""
    return json.dumps({
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {"type": "ptp", "ipMasq": False,
             "ipam": {"type": "host-local", "dataDir": f"{layout.state}/cni-addresses",
                      "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }, indent=1)


def kubelet(layout: Layout, authority: str, certificate: str, key: str) -> str:
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroups.root(layout.name),
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "podLogsDir": f"{layout.state}/pod-logs",
        "volumePluginDir": f"{layout.state}/plugins",
        "resolvConf": str(layout.config("resolv.conf")),
        "clusterDNS": [network.DNS_SERVICE_ADDRESS],
        "clusterDomain": "cluster.local",
        "tlsCertFile": certificate,
        "tlsPrivateKeyFile": key,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": authority}},
        "authorization": {"mode": "Webhook"},
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxPods": 200,
        # The machine's disk is shared with builds: neither evict pods nor collect the imported images,
        # which no registry could bring back, because it is nearly full.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%",
                         "imagefs.available": "1%", "imagefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }, indent=1)


def kube_proxy(layout: Layout) -> str:
    return json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "bindAddress": network.NODE_ADDRESS,
        "clusterCIDR": network.POD_RANGE,
        "hostnameOverride": NODE,
        "oomScoreAdj": 0,
        "clientConnection": {"kubeconfig": str(layout.kubeconfig_of("kube-proxy"))},
        # The limit is the whole machine's, and not to be set from within a network namespace.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }, indent=1)


def corefile(layout: Layout) -> str:
    """Nothing beyond the cluster has a name in it: other names do not exist, and are said so at once."""
    return f"""\
.:53 {{
    bind {network.NODE_ADDRESS}
    errors
    ready {network.NODE_ADDRESS}:8181
    prometheus {network.NODE_ADDRESS}:9153
    loadbalance
    cache 30 {{
        disable success cluster.local
        disable denial cluster.local
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {layout.kubeconfig_of("coredns")}
        pods insecure
        ttl 5
    }}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""


def provisioner(layout: Layout) -> str:
    return json.dumps({"nodePathMap": [
        {"node": NODE, "paths": [str(layout.volumes("standard")), str(layout.volumes("fast-ssd"))]},
    ]})


def helper_pod() -> str:
    """Makes and removes a volume's folder. On the node's network, which saves it the time to get its own."""
    return json.dumps({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "helper-pod"},
        "spec": {
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [{"name": "helper-pod", "image": oci.BUSYBOX, "imagePullPolicy": "IfNotPresent"}],
        },
    })
