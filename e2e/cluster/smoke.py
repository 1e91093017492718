#!/usr/bin/python3
"""Proves on this machine that a cluster does what README.md says, and prints how long each thing takes.

Each round: up, up again, volumes of both classes, names, logs, exec, data that
outlives its pod, no way out, programs killed and started again, down after a
kill, nothing left. Needs root; takes about a minute a round.
"""

from __future__ import annotations

import argparse
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from kit import basics, cgroups, machine, processes
from kit.layout import LOCK, RUN_BASE, STATE_BASE
from kit.lifecycle import Cluster

PODS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %(name)s}
spec: {accessModes: [ReadWriteOncePod], storageClassName: %(storage_class)s, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec: {selector: {app: %(name)s}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: %(name)s}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: docker.io/local/busybox:1
    command: [sh, -c, "echo started; echo of-%(name)s >> /data/index.html; exec httpd -f -p 8080 -h /data"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: %(name)s}}]
"""
FIXED_PATHS = ("/run/netns", "/run/containerd", "/run/runc", "/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet",
               "/opt/containerd", "/var/log/pods", "/var/log/containers", "/run/xtables.lock", "/etc/cni/net.d")


def timed(what: str, action: Callable[[], object]) -> None:
    started = time.monotonic()
    action()
    print(f"  {what:58} {time.monotonic() - started:6.2f} s", flush=True)


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise basics.HarnessError(f"{what} is {found!r}: must be {wanted!r}")


def traces() -> dict[str, object]:
    """What of this machine a cluster could change."""
    def output(*argv: str) -> list[str]:
        done = subprocess.run(argv, check=False, capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if not line.startswith("#")]

    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {
        "links": sorted(line.split(": ")[1] for line in output("ip", "-o", "link")),
        "routes": output("ip", "route"), "network namespaces": output("ip", "netns"),
        "mounts": sorted(line.split()[4] for line in mounts),
        "iptables": output("iptables-save"), "forwarding": output("sysctl", "net.ipv4.ip_forward"),
        "control groups": [str(found) for mount, _ in cgroups.hierarchies() for found in mount.glob("openagents-e2e*")],
        "folders": [path for path in (*FIXED_PATHS, str(STATE_BASE), str(RUN_BASE)) if pathlib.Path(path).exists()],
    }


def namespaces_of(identity: processes.Identity) -> str:
    return str(pathlib.Path(f"/proc/{identity.pid}/ns/pid").readlink())


def members_of(namespace: str) -> list[int]:
    """Every live process in a process namespace, whoever started it."""
    found = []
    for link in pathlib.Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            if str(link.readlink()) == namespace and processes.identify(int(link.parts[2])):
                found.append(int(link.parts[2]))
        except OSError:
            continue
    return found


def create(cluster: Cluster, name: str, storage_class: str) -> None:
    cluster.kubectl("apply", "-f", "-", input_text=PODS % {"name": name, "storage_class": storage_class})
    cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=50s")


def check_pods(cluster: Cluster) -> None:
    timed("claim of class standard to pod Ready", lambda: create(cluster, "one", "standard"))
    timed("claim of class fast-ssd to pod Ready", lambda: create(cluster, "two", "fast-ssd"))
    fetch = ("exec", "two", "--", "timeout", "5", "wget", "-qO-")
    for address in ("http://one/", "http://one.default.svc.cluster.local/"):
        expect(f"answer of {address}", cluster.kubectl(*fetch, address), "of-one\n")
    expect("log of pod one", cluster.kubectl("logs", "one"), "started\n")
    manifest = cluster.kubectl("get", "pod", "two", "--output=json")
    expect("phase of pod two", '"phase": "Running"' in manifest, True)

    def recreate() -> None:
        cluster.kubectl("delete", "pod", "one", "--wait")
        create(cluster, "one", "standard")

    timed("pod deleted and made again on the same volume", recreate)
    expect("data of pod one", cluster.kubectl("exec", "one", "--", "cat", "/data/index.html"), "of-one\nof-one\n")


def check_no_way_out(cluster: Cluster) -> None:
    """Neither the node has a route to the outside nor does a pod that tries get anywhere."""
    for address in ("1.1.1.1", "8.8.8.8", "203.0.113.1"):
        route = subprocess.run(cluster.machine.command(["ip", "route", "get", address]), check=False,
                               capture_output=True, text=True)
        expect(f"route of the node to {address}", "unreachable" in route.stderr, True)
        script = f"timeout 2 nc {address} 53 </dev/null >/dev/null 2>&1 && echo connected || echo failed"
        expect(f"attempt of a pod to reach {address}",
               cluster.kubectl("exec", "two", "--", "sh", "-c", script), "failed\n")
    said = cluster.kubectl("exec", "two", "--", "sh", "-c", "nslookup example.com 2>&1 || true")
    expect("lookup of a public name", "NXDOMAIN" in said, True)


def check_repair(cluster: Cluster) -> None:
    for component in ("kube-apiserver", "kubelet", "coredns", "etcd", "containerd"):
        processes.stop(cluster.machine.process(component), signal.SIGKILL)
    timed("up after kill -9 of five programs", cluster.up)
    fetch = ("exec", "two", "--", "timeout", "5", "wget", "-qO-", "http://one/")
    expect("answer of the pod that stayed", cluster.kubectl(*fetch), "of-one\nof-one\n")


def check_round(cluster: Cluster, killed: list[str]) -> None:
    before = traces()
    timed("up", cluster.up)
    timed("up again", cluster.up)
    check_pods(cluster)
    check_no_way_out(cluster)
    check_repair(cluster)
    namespace = namespaces_of(cluster.machine.process(machine.HOLDER))
    for component in killed:
        processes.stop(cluster.machine.process(component), signal.SIGKILL)
    timed(f"down after kill -9 of {', '.join(killed) or 'nothing'}", lambda: machine.remove(cluster.layout))
    timed("down again", lambda: machine.remove(cluster.layout))
    expect("processes left", members_of(namespace), [])
    after = traces()
    for what, found in before.items():
        expect(f"{what} after the cluster", after[what], found)
    print("  nothing left", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="smoke.py", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    victims: list[list[str]] = [[], ["containerd", "kubelet"], [machine.HOLDER]]
    for number in range(rounds):
        cluster = Cluster(f"smoke{number}")  # another name each time: names must not get into each other's way
        print(f"round {number + 1} of {rounds}: cluster {cluster.layout.name}", flush=True)
        with basics.file_lock(LOCK):
            check_round(cluster, victims[number % len(victims)])
    return 0


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(main))
