"""A WebSocket client (RFC 6455) of the standard library's parts."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import typing

import runtime

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The server ended it: with a close frame's code, or 1006 without one."""

    def __init__(self, code: int, reason: str = ""):
        super().__init__(code, reason)
        self.code, self.reason = code, reason


class Client:
    """Connects at once; `status` says what came of it."""

    def __init__(self, daemon: runtime.Runtime, path: str = "/agents/my-agent/ws", headers: dict[str, str] | None = None):
        self.socket = socket.create_connection(("127.0.0.1", daemon.port), timeout=runtime.PATIENCE)
        self.received = b""
        key = base64.b64encode(os.urandom(16)).decode()
        fields = {"Host": f"127.0.0.1:{daemon.port}", "Connection": "Upgrade", "Upgrade": "websocket",
                  "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        while b"\r\n\r\n" not in self.received:
            self.receive()
        answer, self.received = self.received.split(b"\r\n\r\n", 1)
        self.head = answer.decode()
        self.status = int(self.head.split(" ", 2)[1])

    def receive(self) -> None:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(1006)
        self.received += data

    def take(self, size: int) -> bytes:
        while len(self.received) < size:
            self.receive()
        data, self.received = self.received[:size], self.received[size:]
        return data

    def send_frame(self, opcode: int, data: bytes) -> None:
        mask = os.urandom(4)
        size = len(data)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size) if size < 65536 \
            else b"\xff" + struct.pack(">Q", size)
        masked = (int.from_bytes(data, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")) \
            .to_bytes(size, "big")
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def send(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self.send_frame(BINARY, text)
        else:
            self.send_frame(TEXT, text.encode())

    def next(self) -> str | bytes:
        """The next message. Pings are answered; raises Closed at the end."""
        while True:
            head, size = self.take(2)
            if size == 126:
                size = struct.unpack(">H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.take(8))[0]
            data = self.take(size)
            opcode = head & 15
            if opcode == TEXT:
                return data.decode()
            if opcode == BINARY:
                return data
            if opcode == PING:
                self.send_frame(PONG, data)
            elif opcode == CLOSE:
                raise Closed(struct.unpack(">H", data[:2])[0] if data else 1005, data[2:].decode())

    def next_json(self) -> typing.Any:
        return json.loads(self.next())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """With the closing handshake."""
        self.send_frame(CLOSE, struct.pack(">H", code) + reason.encode())
        try:
            while True:
                self.next()
        except Closed:
            self.cut()

    def cut(self) -> None:
        """Without one."""
        self.socket.close()
