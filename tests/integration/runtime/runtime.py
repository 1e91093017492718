"""Drives the agent-runtime binary named by AGENT_RUNTIME: starts it, talks to it, ends it."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import typing

BINARY = os.environ.get("AGENT_RUNTIME", "")
PATIENCE = 30.0

MANIFEST = """
apiVersion: openagents.com/v1
kind: Agent
metadata:
  name: {name}
spec:
  image: openagents/agent-runtime:latest
  replicas: 1
  config:
    maxTickDuration: 30s
    maxStorageBytes: {max_storage}
    inbox: {inbox}
  resources:
    requests: {{memory: 256Mi, cpu: 100m}}
    limits: {{memory: 1Gi, cpu: 1000m}}
  storage: {{size: 10Gi, storageClass: fast-ssd}}
"""


def manifest(name: str = "my-agent", max_storage: str = "1Gi", inbox: str = "{}") -> str:
    return MANIFEST.format(name=name, max_storage=max_storage, inbox=inbox)


def wait_until(condition: typing.Callable[[], typing.Any], what: str, patience: float = PATIENCE) -> typing.Any:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"waited {patience:g} s for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer(typing.NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> typing.Any:
        return json.loads(self.body)


class Runtime:
    """One process, and how to talk to it."""

    def __init__(self, mode: str, data_dir: pathlib.Path, *arguments: str,
                 env: dict[str, str] | None = None, wrap: typing.Sequence[str] = (),
                 preexec: typing.Callable[[], None] | None = None, wait: bool = True):
        self.port = free_port()
        self.admin_port = free_port()
        self.log_path = data_dir.with_name(data_dir.name + ".log")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AGENT_")}
        # A pod's own ports are fixed, and there are several on this machine.
        inherited |= {"AGENT_GRPC_LISTEN": "127.0.0.1:0", "AGENT_CONTEXT_LISTEN": "127.0.0.1:0"} if mode == "pod" else {}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*wrap, BINARY, mode, "--listen", f"127.0.0.1:{self.port}",
                 "--admin-listen", f"127.0.0.1:{self.admin_port}", "--data-dir", str(data_dir), *arguments],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**inherited, **(env or {})},
                preexec_fn=preexec)
        if wait:
            wait_until(self._answers, f"{mode} to answer; its log: {self.log()}")

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.log()}"
        try:
            self.call("GET", "/healthz")
            return True
        except OSError:
            return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def log_lines(self) -> list[dict[str, typing.Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method: str, path: str, body: bytes | str | None = None,
             headers: dict[str, str] | None = None, *,
             connection: http.client.HTTPConnection | None = None) -> Answer:
        own = connection or self.connect()
        try:
            own.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
            response = own.getresponse()
            return Answer(response.status, response.headers, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(type(error).__name__) from error
        finally:
            if connection is None:
                own.close()

    def admin(self, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def run(self, agent: str, text: str) -> typing.Any:
        answer = self.call("POST", f"/agents/{agent}/run", text)
        assert answer.status == 200, answer
        return answer.json["output"]

    def notes(self, agent: str) -> list[str]:
        state = self.call("GET", f"/agents/{agent}/state").json
        return [note["text"] for note in state["notes"]] if state else []

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def raw(self, data: bytes, timeout: float = 30) -> bytes:
        """What comes back for these very bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
            return received


def pod_env(name: str = "my-agent", **more: str) -> dict[str, str]:
    return {"AGENT_NAMESPACE": "default", "AGENT_NAME": name, "AGENT_UID": f"uid-of-{name}", **more}
