"""Reads server-sent events as they come."""

from __future__ import annotations

import http.client
import json
import socket
import typing

import runtime


class Event(typing.NamedTuple):
    id: str | None
    name: str
    data: typing.Any


class Reader:
    """A GET whose answer is a stream of events."""

    def __init__(self, daemon: runtime.Runtime, path: str, last: str | None = None, receive_buffer: int | None = None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(runtime.PATIENCE)
        self.socket.connect(("127.0.0.1", daemon.port))
        self.connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
        self.connection.sock = self.socket
        self.connection.request("GET", path, headers={"Last-Event-ID": last} if last else {})
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self) -> Event | None:
        """None: the stream is over. Comments are skipped."""
        fields: dict[str, str] = {}
        while True:
            line = self.response.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if line and not line.startswith(":"):
                name, value = line.split(": ", 1)
                fields[name] = value
            elif not line and fields:
                return Event(fields.get("id"), fields.get("event", "message"), json.loads(fields["data"]))

    def until(self, name: str) -> list[Event]:
        """Events up to the first of this name."""
        events = []
        while True:
            event = self.next()
            assert event, f"the stream ended before {name}: {events[-5:]}"
            events.append(event)
            if event.name == name:
                return events

    def close(self) -> None:
        self.connection.close()
        self.socket.close()
