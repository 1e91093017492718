"""The node as a machine: its namespaces, network, control groups and processes.

`Machine` starts and finds them; `remove` takes every trace of them away, in
whatever state they are, and may be called again and again.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from . import basics, cgroups, namespaces, network, processes, programs
from .layout import NODE, RUN_BASE, STATE_BASE, Layout

HOLDER = "node"  # the name under which the first process of the node has its pid file and log


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _private_folders(layout: Layout) -> None:
    """Runs as the node's first process. Programs of the node write to fixed paths: shims and the network
    plugins under /run and /var/lib, the kubelet under /var/log. The node gets its own of each."""
    scratch = layout.state / "tmp"
    for kept in ("state", "run"):
        (scratch / kept).mkdir(exist_ok=True)
    _mount("--make-rprivate", "/")
    _mount("-t", "proc", "proc", "/proc")
    _mount("--bind", f"{layout.state}/host-logs", "/var/log")
    _mount("--bind", str(layout.run), str(scratch / "run"))
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    layout.run.mkdir(parents=True)
    _mount("--move", str(scratch / "run"), str(layout.run))
    # /var/lib is layered over the machine's own, because homes, and so the cache of programs, may lie there.
    over = pathlib.Path("/run/over")
    for folder in ("kept", "upper", "work"):
        (over / folder).mkdir(parents=True)
    _mount("--bind", str(layout.state), str(over / "kept"))
    _mount("-t", "overlay", "-o", f"lowerdir=/var/lib,upperdir={over}/upper,workdir={over}/work", "overlay",
           "/var/lib")
    _mount("--move", str(over / "kept"), str(layout.state))
    # Volumes mounted by the kubelet must appear in containers, and pods may ask for the reverse.
    _mount("--make-rshared", "/")
    pathlib.Path("/proc/sys/kernel/hostname").write_text(NODE, encoding="utf-8")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="utf-8")


class Machine:
    def __init__(self, layout: Layout):
        self.layout = layout

    def process(self, component: str) -> processes.Identity | None:
        """The live process of a component, or None."""
        identity = processes.read_pid_file(self.layout.pid_file(component))
        return identity if processes.alive(identity) else None

    @property
    def holder(self) -> int:
        identity = self.process(HOLDER)
        if identity is None:
            raise basics.HarnessError(f"cluster {self.layout.name!r} must be running and is not")
        return identity.pid

    def exists(self) -> bool:
        return self.process(HOLDER) is not None

    def create(self) -> None:
        refuse_another(self.layout)
        network.refuse_clashes(self.layout.name)
        self.layout.make()
        cgroups.create(self.layout.name)
        pid = namespaces.create([str(programs.pause())], self.layout.log(HOLDER), self._mark,
                                lambda: _private_folders(self.layout))
        self._await_set_up(pid)
        network.create(self.layout.name, pid)
        # Last, for a node with this file counts as whole, and what was cut off before is begun anew.
        processes.write_pid_file(self.layout.pid_file(HOLDER), pid)

    def _mark(self) -> None:
        cgroups.adopt(self.layout.name, os.getpid())

    def _await_set_up(self, pid: int) -> None:
        """Its program stands only once the folders are private; before that nothing may be started there."""
        def stands() -> bool:
            if not processes.identify(pid):
                raise basics.HarnessError("the node's first process ended: "
                                          + processes.tail(self.layout.log(HOLDER)))
            return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "pause"

        basics.wait_until(stands, 10, "set-up of the node's namespaces", interval=0.01)

    def start(self, component: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        if self.process(component) is None:
            pid = namespaces.spawn(self.holder, argv, self.layout.log(component), self._mark, environment)
            processes.write_pid_file(self.layout.pid_file(component), pid)

    def stop(self, component: str) -> None:
        identity = self.process(component)
        if identity is not None:
            processes.stop(identity)

    def command(self, argv: Sequence[str | os.PathLike]) -> list[str]:
        return namespaces.command(self.holder, argv)


def refuse_another(layout: Layout) -> None:
    """Two clusters would share addresses and routes; one at a time is enough for one machine."""
    for folder in RUN_BASE.glob("*"):
        if folder.name != layout.name and processes.alive(processes.read_pid_file(folder / f"{HOLDER}.pid")):
            raise basics.HarnessError(f"cluster {folder.name!r} is running: one cluster at most may run on a machine; "
                                      f"end it with: cluster.py down --name {folder.name}")


def remove(layout: Layout) -> None:
    """Leaves no process, mount, namespace, link, route, control group or file of the cluster."""
    holder = processes.read_pid_file(layout.pid_file(HOLDER))
    if processes.alive(holder):
        # Ends every process of the node. The first process stays in /proc until the last of them is gone.
        processes.stop(holder, seconds=30)
    for identity in cgroups.members(layout.name):  # the pid file may be lost; the groups still list them
        processes.stop(identity, seconds=30)
    network.remove(layout.name)
    cgroups.remove(layout.name)
    for folder in (layout.run, layout.state):
        _remove_folder(folder)
    for base in (RUN_BASE, STATE_BASE):
        with contextlib.suppress(OSError):  # another cluster's folder may be in it, or nothing was
            base.rmdir()


def _remove_folder(folder: pathlib.Path) -> None:
    """The node's mounts are not visible here; one made here by hand must not lose what it shows."""
    mounts = [line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    for mount in reversed(mounts):
        if mount == str(folder) or mount.startswith(f"{folder}/"):
            basics.run(["umount", "--lazy", mount])
    if folder.exists():
        shutil.rmtree(folder)
