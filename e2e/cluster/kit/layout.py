"""Where a cluster keeps its files, and the names that it may have."""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass

from . import basics

STATE_BASE = pathlib.Path("/var/lib/openagents-e2e")
RUN_BASE = pathlib.Path("/run/openagents-e2e")
NAME = re.compile(r"[a-z][a-z0-9-]{0,10}")
NODE = "node1"
LOCK = "cluster"  # one for all names, for a machine has at most one cluster


@dataclass(frozen=True)
class Layout:
    """Two folders per cluster: what is large lives under `state`, sockets and pid files under `run`,
    whose path is short because a socket's path has at most 107 characters."""

    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise basics.HarnessError(f"cluster name {self.name!r} must match {NAME.pattern}")

    @property
    def state(self) -> pathlib.Path:
        return STATE_BASE / self.name

    @property
    def run(self) -> pathlib.Path:
        return RUN_BASE / self.name

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.state / "admin.kubeconfig"

    @property
    def containerd_socket(self) -> pathlib.Path:
        return self.run / "containerd.sock"

    def kubeconfig_of(self, component: str) -> pathlib.Path:
        return self.state / "config" / f"{component}.kubeconfig"

    def config(self, file: str) -> pathlib.Path:
        return self.state / "config" / file

    def log(self, component: str) -> pathlib.Path:
        return self.state / "logs" / f"{component}.log"

    def pid_file(self, component: str) -> pathlib.Path:
        return self.run / f"{component}.pid"

    def volumes(self, storage_class: str) -> pathlib.Path:
        return self.state / "volumes" / storage_class

    def make(self) -> None:
        for folder in ("pki", "config", "logs", "cni", "plugins", "pod-logs", "host-logs", "tmp"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        for storage_class in ("standard", "fast-ssd"):
            self.volumes(storage_class).mkdir(parents=True, exist_ok=True)
        (self.state / "pki").chmod(0o700)
        (self.state / "config").chmod(0o700)
        self.run.mkdir(parents=True, exist_ok=True)
