"""A handler of `handler.http`, in the test's own process: it does what the test says."""

from __future__ import annotations

import http.server
import json
import threading
import typing

import runtime

Tick = dict[str, typing.Any]


class Handler:
    """Answers each tick with what `answer` returns: the answer's object, (status, object), or an iterator of
    server-sent events, each (name, object)."""

    def __init__(self, answer: typing.Callable[[Tick], typing.Any]):
        self.ticks: list[Tick] = []
        handler = self

        class Exchange(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                tick = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                handler.ticks.append(tick)
                said = answer(tick)
                try:
                    self.say(said)
                except OSError:
                    pass  # the runtime has given the attempt up

            def say(self, said: typing.Any) -> None:
                status, body = said if isinstance(said, tuple) else (200, said)
                if isinstance(body, dict):
                    text = json.dumps(body).encode()
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                for name, data in body:
                    self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                    self.wfile.flush()
                self.close_connection = True

            def log_message(self, *_: typing.Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/tick"

    def manifest(self, name: str = "my-agent", config: dict[str, typing.Any] | None = None) -> str:
        spec = {"handler": {"http": {"url": self.url}}, "config": config or {}}
        return json.dumps({"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": name}, "spec": spec})

    def wait_for(self, count: int) -> Tick:
        """The count-th tick that was begun."""
        runtime.wait_until(lambda: len(self.ticks) >= count, f"tick {count} to begin")
        return self.ticks[count - 1]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Gate:
    """A handler that holds each tick until the test lets it go."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, tick: Tick) -> typing.Any:
        self.opened.wait(runtime.PATIENCE)
        return {"reply": tick["trigger"]["envelope"].get("payload")}

    def open(self) -> None:
        self.opened.set()
