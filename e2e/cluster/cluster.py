#!/usr/bin/python3
"""A Kubernetes cluster of one node on this machine, from source. See README.md."""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

from kit import basics, components, machine, programs
from kit.layout import LOCK, Layout
from kit.lifecycle import Cluster

# Programs of Debian packages that `up` needs, and the package of each.
NEEDED = {
    "containerd": "containerd", "ctr": "containerd", "runc": "runc", "iptables": "iptables", "ip": "iproute2",
    "openssl": "openssl", "nsenter": "util-linux", "mount": "mount", "cc": "gcc libc6-dev",
    "/usr/lib/cni/ptp": "containernetworking-plugins", "/bin/busybox": "busybox-static",
}


def require_root(command: str) -> None:
    if os.geteuid() != 0:
        raise basics.HarnessError(f"cluster.py {command} must run as root: it makes namespaces, mounts and control groups")


def require_packages() -> None:
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = {package for program, package in NEEDED.items() if shutil.which(program, path=path) is None}
    if missing:
        raise basics.HarnessError(f"Debian packages {' '.join(sorted(missing))} must be installed and are not: run "
                                  "cmake/install-packages.sh e2e")


def export_line(layout: Layout) -> str:
    return f"export KUBECONFIG={layout.kubeconfig}"


def up(options: argparse.Namespace) -> int:
    require_root("up")
    require_packages()
    with basics.file_lock(LOCK):
        cluster = Cluster(options.name)
        cluster.up()
        print(export_line(cluster.layout))
    return 0


def down(options: argparse.Namespace) -> int:
    require_root("down")
    with basics.file_lock(LOCK):
        machine.remove(Layout(options.name))
    return 0


def env(options: argparse.Namespace) -> int:
    cluster = running(options.name)
    print(export_line(cluster.layout))
    return 0


def status(options: argparse.Namespace) -> int:
    cluster = Cluster(options.name)
    if not cluster.machine.exists():
        print(f"cluster {options.name!r} is not running")
        return 1
    for name in (machine.HOLDER, *components.ALL):
        identity = cluster.machine.process(name)
        print(f"{name:26} {f'pid {identity.pid}' if identity else 'not running'}")
    lack = cluster.usable()
    print("usable" if lack is None else f"not usable: {lack}")
    return 0 if lack is None else 1


def running(name: str) -> Cluster:
    cluster = Cluster(name)
    if not cluster.machine.exists():
        raise basics.HarnessError(f"cluster {name!r} is not running: start it with: cluster.py up --name {name}")
    return cluster


def load(options: argparse.Namespace) -> int:
    require_root("load")
    running(options.name).load([pathlib.Path(archive) for archive in options.archive])
    return 0


def logs(options: argparse.Namespace) -> int:
    log = Layout(options.name).log(options.component)
    if not log.exists():
        raise basics.HarnessError(f"log of {options.component} must be at {log} and is not: has the cluster been started?")
    return subprocess.call(["tail", "--lines=+1", *(["--follow"] if options.follow else []), str(log)])


def start(options: argparse.Namespace) -> int:
    require_root("start")
    running(options.name).start([options.component])
    return 0


def stop(options: argparse.Namespace) -> int:
    require_root("stop")
    running(options.name).machine.stop(options.component)
    return 0


def node(options: argparse.Namespace) -> int:
    require_root("node")
    return subprocess.call(running(options.name).machine.command(options.words or ["/bin/bash"]))


def kubectl(options: argparse.Namespace) -> int:
    cluster = running(options.name)
    return subprocess.call([programs.kubernetes("kubectl"), *options.words],
                           env=os.environ | {"KUBECONFIG": str(cluster.layout.kubeconfig)})


def bin_dir(_: argparse.Namespace) -> int:
    print(programs.tool("kubernetes"))
    return 0


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("--name", default="default", help="the cluster's name (default: %(default)s)")
        return made

    command("up", up, "start the cluster, or what is missing of it; print the export line")
    command("down", down, "end the cluster and remove every trace of it")
    command("env", env, "print the export line of a running cluster")
    command("status", status, "list the programs and say whether the cluster is usable")
    command("load", load, "import image archives into the node").add_argument("archive", nargs="+")
    for name, run, text in (("logs", logs, "print a program's log"), ("start", start, "start a program of the node"),
                            ("stop", stop, "kill a program of the node")):
        made = command(name, run, text)
        made.add_argument("component", choices=[*components.ALL, machine.HOLDER] if name == "logs" else components.ALL)
        if name == "logs":
            made.add_argument("--follow", action="store_true")
    command("kubectl", kubectl, "run kubectl against the cluster with the words that follow")
    command("node", node, "run the command that follows on the node (default: a shell)")
    command("bin-dir", bin_dir, "print the folder that holds kubectl")
    own, passed_on = split(words)
    options = parser.parse_args(own)
    options.words = passed_on
    return options


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """Parts what is ours from what another program is to read, whose options argparse would take for ours."""
    if not words or words[0] not in ("kubectl", "node"):
        return words, []
    end = 1
    if words[end:end + 1] == ["--name"]:
        end += 2
    elif words[end:] and words[end].startswith("--name="):
        end += 1
    return words[:end], words[end + 1:] if words[end:end + 1] == ["--"] else words[end:]


def main() -> int:
    options = parse(sys.argv[1:])
    return options.run(options)


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(main))
