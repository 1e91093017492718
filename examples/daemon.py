"""Starts agent-runtime as a local daemon and talks to it. Shared by run.py and demo.py."""

from __future__ import annotations

import http.client
import json
import pathlib
import socket
import subprocess
import time

EXAMPLES = pathlib.Path(__file__).resolve().parent


def split_address(address: str) -> tuple[str, int]:
    """("127.0.0.1", 8080) of "127.0.0.1:8080"."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise SystemExit(f"{address!r} must be HOST:PORT, such as 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def why_not(address: str) -> str | None:
    """Why nothing can listen there, if so, such as "Address already in use"."""
    host, port = split_address(address)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror
    return None


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Daemon:
    """One agent-runtime process. Its data outlives it in `data_dir`."""

    def __init__(self, runtime: str, listen: str, admin: str, data_dir: str, *, log: str | None = None):
        self.address = listen
        self._log = open(log, "ab") if log else None
        self.process = subprocess.Popen(
            [runtime, "serve", "--listen", listen, "--admin-listen", admin, "--data-dir", data_dir,
             "--log-format", "text", "--agent", str(EXAMPLES / "hello.yaml")],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True)  # Ctrl-C is for the script, which then stops the daemon

    def wait_ready(self, seconds: float = 30) -> bool:
        """False if the process ended, or did not answer in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.call("GET", "/readyz")[0] == 200:
                    return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def call(self, method: str, path: str, body: str | None = None) -> tuple[int, object]:
        """One request: the status, and the answer as JSON where it is JSON, else as text."""
        host, port = split_address(self.address)
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            connection.request(method, path, body=body.encode() if body is not None else None)
            answer = connection.getresponse()
            text = answer.read().decode()
            is_json = "json" in (answer.headers.get("Content-Type") or "")
            return answer.status, json.loads(text) if is_json else text
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL: no destructor, no flush, no goodbye."""
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(timeout=60)
        if self._log:
            self._log.close()
        return code
