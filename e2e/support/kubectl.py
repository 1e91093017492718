"""kubectl as the tests use it: text in, text or objects out, failures with what it said."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from .waiting import wait_until


class KubectlError(AssertionError):
    """kubectl refused or failed; the message is what it printed."""


@dataclass(frozen=True)
class Kubectl:
    program: str
    kubeconfig: str
    namespace: str = ""  # none: the kubeconfig's own, or what the objects say

    def within(self, namespace: str) -> Kubectl:
        return dataclasses.replace(self, namespace=namespace)

    def command(self, *words: str) -> list[str]:
        namespace = [f"--namespace={self.namespace}"] if self.namespace else []
        return [self.program, f"--kubeconfig={self.kubeconfig}", *namespace, *words]

    def try_run(self, *words: str, stdin: str | None = None, seconds: float = 90) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), input=stdin or "", capture_output=True, text=True,
                              timeout=seconds, check=False)

    def run(self, *words: str, stdin: str | None = None, seconds: float = 90) -> str:
        done = self.try_run(*words, stdin=stdin, seconds=seconds)
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(words)} exited with {done.returncode}: "
                               f"{done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def apply(self, *manifests: dict, server_side: bool = False) -> str:
        whole = {"apiVersion": "v1", "kind": "List", "items": list(manifests)}
        return self.run("apply", *(["--server-side"] if server_side else []), "--filename=-", stdin=json.dumps(whole))

    def find(self, kind: str, name: str) -> dict | None:
        text = self.run("get", kind, name, "--ignore-not-found", "--output=json")
        return json.loads(text) if text.strip() else None

    def get(self, kind: str, name: str) -> dict:
        return json.loads(self.run("get", kind, name, "--output=json"))

    def list(self, kind: str, selector: str = "") -> list[dict]:
        chosen = [f"--selector={selector}"] if selector else []
        return json.loads(self.run("get", kind, *chosen, "--output=json"))["items"]

    def wait(self, what: str, condition: str, seconds: float = 60) -> None:
        """`condition` as for `kubectl wait --for`: condition=Ready, delete, create, jsonpath=…"""
        self.run("wait", what, f"--for={condition}", f"--timeout={seconds:g}s", seconds=seconds + 30)

    @contextlib.contextmanager
    def watching(self, kind: str, name: str) -> Iterator[Watch]:
        """Follows one object, which must exist, until the block ends."""
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            process = subprocess.Popen(self.command("get", kind, name, "--watch", "--output=json"),
                                       stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            try:
                watch = Watch(output)
                wait_until(watch.seen, 30, f"watch of {kind} {name}")
                yield watch
            finally:
                process.kill()
                process.wait()


class Watch:
    """The versions of an object that a watch has shown so far, oldest first."""

    def __init__(self, output: IO[str]):
        self._output = output

    def seen(self) -> list[dict]:
        self._output.seek(0)
        text, decoder, found, at = self._output.read(), json.JSONDecoder(), [], 0
        while (at := text.find("{", at)) >= 0:
            try:
                version, at = decoder.raw_decode(text, at)
            except json.JSONDecodeError:
                break  # the last one is still being written
            found.append(version)
        return found
