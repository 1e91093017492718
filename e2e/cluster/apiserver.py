#!/usr/bin/python3
"""etcd and a Kubernetes API server alone, for integration tests. See README.md.

Needs no root and no fixed ports. There is no controller-manager: objects stay as
they were written, nothing is collected, no default service accounts appear (so
pods are admitted without one), and TokenRequest works for those that are made.

As a module:  with ApiServer() as server: use(server.kubeconfig)
As a command: apiserver.py run -- CMD…
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from kit import basics, controlplane, pki, processes, programs

PREFIX = "openagents-apiserver-"
OWNER = "owner.pid"


class ApiServer:
    """One API server in a temporary folder. The programs die with the thread that started them."""

    def __init__(self) -> None:
        self.folder = pathlib.Path()
        self.kubeconfig = pathlib.Path()
        self.endpoint: controlplane.ApiEndpoint | None = None
        self._children: list[subprocess.Popen] = []
        self._authority: pki.Authority | None = None

    def __enter__(self) -> ApiServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        remove_abandoned()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
        processes.write_pid_file(self.folder / OWNER, os.getpid())
        try:
            self._authority = pki.Authority(self.folder / "pki")
            self._start_programs()
            self.kubeconfig = self.kubeconfig_for("admin", "system:masters")
        except BaseException:
            self.stop()
            raise

    def _start_programs(self) -> None:
        """A port that was free may be taken before a program has it: then all starts anew on others."""
        for attempt in range(3):
            api, client, peer = controlplane.free_ports(3)
            self.endpoint = controlplane.ApiEndpoint("127.0.0.1", api, f"http://127.0.0.1:{client}",
                                                     f"http://127.0.0.1:{peer}")
            self._launch("etcd", controlplane.etcd_command(programs.kubernetes("etcd"),
                                                           self.folder / f"etcd-{attempt}", self.endpoint))
            self._launch("kube-apiserver", controlplane.api_server_command(
                programs.kubernetes("kube-apiserver"), self._authority, self.endpoint) + [
                    "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none",
                    f"--cert-dir={self.folder}/certs"])
            try:
                basics.wait_until(self._ready, 60, "API server ready", self._last_words)
                return
            except basics.HarnessError:
                self._kill()
                if attempt == 2 or "address already in use" not in self._logs():
                    raise

    def _launch(self, name: str, command: Sequence[str]) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self._children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                   cwd=self.folder, preexec_fn=processes.die_with_parent,
                                                   start_new_session=True))

    def _ready(self) -> bool:
        if any(child.poll() is not None for child in self._children):
            raise basics.HarnessError(f"a program ended at its start: {self._last_words()}")
        return controlplane.ready(self.endpoint, self._authority)

    def _logs(self) -> str:
        return "".join(log.read_text(encoding="utf-8", errors="replace") for log in self.folder.glob("*.log"))

    def _last_words(self) -> str:
        return "; ".join(processes.tail(log, 2) for log in sorted(self.folder.glob("*.log")))

    def kubeconfig_for(self, user: str, *groups: str) -> pathlib.Path:
        """A kubeconfig with a certificate for that user; what it may do is up to RBAC."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", user):
            raise basics.HarnessError(f"user {user!r} must consist of letters, digits, '.', '_' and '-'")
        return self._authority.kubeconfig(self.folder / f"{user}.kubeconfig", self.endpoint.url, user, groups)

    def _kill(self) -> None:
        # Their data is thrown away, so there is nothing that an orderly end would save.
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait()
        self._children.clear()

    def stop(self) -> None:
        self._kill()
        if self.folder.name.startswith(PREFIX):
            shutil.rmtree(self.folder, ignore_errors=True)


def remove_abandoned() -> None:
    """Folders of servers whose owner was killed before it could remove them."""
    for folder in pathlib.Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not os.access(folder, os.R_OK | os.X_OK):
            continue  # another user's
        owner = processes.read_pid_file(folder / OWNER)
        if owner is not None and not processes.alive(owner):
            shutil.rmtree(folder, ignore_errors=True)


def variable_of(user: str) -> str:
    """KUBECONFIG_VIEW_ONLY for the user view-only."""
    return "KUBECONFIG_" + re.sub(r"[^A-Za-z0-9]", "_", user).upper()


def run(options: argparse.Namespace) -> int:
    def on_signal(number: int, _: object) -> None:
        raise SystemExit(128 + number)  # unwinds through ApiServer's exit, which ends the programs

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    with ApiServer() as server:
        env = os.environ | {"KUBECONFIG": str(server.kubeconfig),
                            "PATH": f"{programs.tool('kubernetes')}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        for spec in options.user:
            user, *groups = spec.split(":", 1)
            env[variable_of(user)] = str(server.kubeconfig_for(user, *(groups[0].split(",") if groups else [])))
        try:
            child = subprocess.Popen(options.words, env=env, preexec_fn=processes.die_with_parent)
        except OSError as error:
            raise basics.HarnessError(f"command {options.words[0]!r} could not be started: {error}") from error
        try:
            code = child.wait()
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
    return code if code >= 0 else 128 - code


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="apiserver.py", description="etcd and an API server for integration tests")
    made = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "run", help="start a server, run a command with KUBECONFIG set, end the server, exit as the command did")
    made.add_argument("--user", action="append", default=[], metavar="NAME[:GROUP,…]",
                      help="make a further kubeconfig, without rights, and name its path in KUBECONFIG_NAME")
    made.add_argument("words", nargs="+", metavar="CMD", help="the command, after --")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(lambda: run(parse(sys.argv[1:]))))
