"""Handlers for tests: a server whose every answer the test decides, and the examples as processes."""

from __future__ import annotations

import hashlib
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import threading
import typing

import runtime

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "examples" / "handlers"

MANIFEST = """
apiVersion: openagents.com/v1
kind: Agent
metadata: {{name: {name}}}
spec:
  config: {{maxTickDuration: {duration}}}
  handler: {{{kind}: {handler}}}
"""


def manifest(name: str, port: int, duration: str = "30s") -> str:
    return MANIFEST.format(name=name, duration=duration, kind="container",
                           handler=json.dumps({"image": "logic", "port": port}))


def http_manifest(name: str, url: str) -> str:
    return MANIFEST.format(name=name, duration="30s", kind="http", handler=json.dumps({"url": url}))


class Raw(Exception):
    """Answers with these very bytes and hangs up."""

    def __init__(self, data: bytes = b""):
        self.data = data


class Context:
    """What a handler may ask for during its tick."""

    def __init__(self, document: dict[str, typing.Any]):
        address, self.prefix = document["context"]["url"].removeprefix("http://").split("/", 1)
        self.host, port = address.split(":")
        self.port = int(port)
        self.token = document["context"]["token"]

    def call(self, method: str, path: str, body: typing.Any = None,
             headers: dict[str, str] | None = None) -> runtime.Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, f"/{self.prefix}/{path}", data,
                               {"Authorization": f"Bearer {self.token}", **(headers or {})})
            response = connection.getresponse()
            return runtime.Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def step(self, name: str, given: str, work: typing.Callable[[], str]) -> str:
        """The journalled result of `work`, which runs only where there is none."""
        headers = {"Agent-Input-Hash": hashlib.sha256(given.encode()).hexdigest()}
        found = self.call("GET", f"steps/{name}/0", headers=headers)
        if found.status == 200:
            return found.body.decode()
        assert found.status == 404, found
        result = work()
        stored = self.call("PUT", f"steps/{name}/0", result.encode(), headers)
        assert stored.status == 204, stored
        return result


class Logic:
    """A handler in this process. `tick` takes the document and gives the answer."""

    def __init__(self, tick: typing.Callable[[dict[str, typing.Any]], typing.Any]):
        self.documents: list[dict[str, typing.Any]] = []
        self.headers: list[dict[str, str]] = []
        logic = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                logic.documents.append(document)
                logic.headers.append(dict(self.headers))
                try:
                    answer = tick(document)
                    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                except Raw as raw:
                    self.close_connection = True
                    self.send_bytes(raw.data)

            def send_bytes(self, data: bytes) -> None:
                try:
                    self.wfile.write(data)
                except OSError:
                    pass  # the runtime has had enough

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Example:
    """One of examples/handlers as a process."""

    def __init__(self, program: str, name: str, port: int | None = None):
        self.port = port or runtime.free_port()
        self.process = subprocess.Popen([program, str(EXAMPLES / name)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env={**os.environ, "PORT": str(self.port)})

    def close(self) -> None:
        self.process.kill()
        self.process.wait(runtime.PATIENCE)
