"""The cluster's control groups: one folder of its own in every hierarchy.

Works with cgroup v1, v2 and the hybrid of both. The node's pods live below that
folder, so that their groups are found and removed whatever state they are in;
the node's own processes are listed in one, as a second way of finding them.
"""

from __future__ import annotations

import contextlib
import os
import pathlib

from . import basics, processes

SYSTEM = "system"


def parse_mounts(mountinfo: str) -> list[tuple[pathlib.Path, str]]:
    """(mount point, "cgroup" or "cgroup2") of each hierarchy; one mounted twice counts once."""
    found: dict[str, tuple[pathlib.Path, str]] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()[0]
        if kind in ("cgroup", "cgroup2"):
            fields = left.split()
            found.setdefault(fields[2], (pathlib.Path(fields[4]), kind))  # fields[2] is the device number
    return list(found.values())


def hierarchies() -> list[tuple[pathlib.Path, str]]:
    return parse_mounts(pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8"))


def _name(cluster: str) -> str:
    return f"openagents-e2e-{cluster}"


def root(cluster: str) -> str:
    """The group as the kubelet names it."""
    return "/" + _name(cluster)


def create(cluster: str) -> None:
    for mount, kind in hierarchies():
        folder = mount / _name(cluster)
        if kind == "cgroup2":
            _enable_controllers(mount)
        folder.mkdir(exist_ok=True)
        if kind == "cgroup2":
            _enable_controllers(folder)
        (folder / SYSTEM).mkdir(exist_ok=True)


def _enable_controllers(folder: pathlib.Path) -> None:
    """v2 only: what a group may hand to its children has to be said; v1 hands down everything."""
    for controller in (folder / "cgroup.controllers").read_text(encoding="utf-8").split():
        with contextlib.suppress(OSError):  # some cannot be handed down; the kubelet names what it misses
            (folder / "cgroup.subtree_control").write_text(f"+{controller}", encoding="utf-8")


def _listing_folder(cluster: str) -> pathlib.Path | None:
    """The group that lists the node's processes: v1 would want its CPU set filled first, so not there."""
    order = {"pids": 0, "freezer": 1, "systemd": 2, "unified": 3}
    usable = [mount for mount, kind in hierarchies() if kind == "cgroup2" or mount.name in order]
    usable.sort(key=lambda mount: order.get(mount.name, 9))
    return usable[0] / _name(cluster) if usable else None


def adopt(cluster: str, pid: int) -> None:
    """Lists the process, and with it whatever it will start."""
    folder = _listing_folder(cluster)
    if folder is not None:
        (folder / SYSTEM / "cgroup.procs").write_text(str(pid), encoding="utf-8")


def members(cluster: str) -> list[processes.Identity]:
    """Every live process in any of the cluster's groups."""
    pids: set[int] = set()
    for mount, _ in hierarchies():
        for listing in (mount / _name(cluster)).rglob("cgroup.procs"):
            with contextlib.suppress(OSError):
                pids.update(int(word) for word in listing.read_text(encoding="utf-8").split())
    return [identity for pid in sorted(pids) if (identity := processes.identify(pid))]


def _remove_once(folder: pathlib.Path) -> bool:
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):  # busy while its last process is still on its way out
            os.rmdir(path)
    return not folder.exists()


def remove(cluster: str, seconds: float = 15) -> None:
    for mount, _ in hierarchies():
        folder = mount / _name(cluster)
        if folder.exists():
            basics.wait_until(lambda folder=folder: _remove_once(folder), seconds, f"removal of {folder}")
