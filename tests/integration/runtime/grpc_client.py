"""A gRPC client that knows nothing but an address: it learns the services by reflection."""

from __future__ import annotations

import typing

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "openagents.runtime.v1.AgentRuntime"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def raw(value: bytes) -> bytes:
    return value


def field(number: int, value: bytes) -> bytes:
    """A field of bytes (or text, or a message) in protobuf's encoding."""
    assert len(value) < 128 and number < 16
    return bytes([number << 3 | 2, len(value)]) + value


def fields(message: bytes) -> list[tuple[int, bytes | int]]:
    """(number, value) of each field, in order."""
    def varint(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            value |= (message[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 0x80:
                return value, at

    found, at = [], 0
    while at < len(message):
        key, at = varint(at)
        value, at = varint(at)
        if key & 7 == 2:
            found.append((key >> 3, message[at:at + value]))
            at += value
        else:
            found.append((key >> 3, value))
    return found


class Client:
    def __init__(self, target: str):
        self.channel = grpc.insecure_channel(target, [("grpc.max_receive_message_length", 64 << 20)])
        self.messages: typing.Any = None
        self.rpcs: dict[str, typing.Any] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def ask(self, request: bytes) -> bytes:
        """What the reflection service answers."""
        call = self.channel.stream_stream(REFLECTION, raw, raw)
        return next(call(iter([request]), timeout=30, wait_for_ready=True))

    def services(self) -> list[str]:
        listed = dict(fields(self.ask(field(7, b""))))[6]
        return [dict(fields(service))[1].decode() for _, service in fields(listed)]

    def learn(self) -> None:
        found = dict(fields(self.ask(field(4, SERVICE.encode()))))[4]
        waiting = {}
        for _, text in fields(found):
            file = descriptor_pb2.FileDescriptorProto.FromString(text)
            waiting[file.name] = file
        pool = descriptor_pool.DescriptorPool()

        def add(name: str) -> None:
            if file := waiting.pop(name, None):
                for other in file.dependency:
                    add(other)
                pool.Add(file)

        for name in list(waiting):
            add(name)
        self.messages = message_factory.MessageFactory(pool)
        self.rpcs = dict(pool.FindServiceByName(SERVICE).methods_by_name)

    def type(self, descriptor: typing.Any) -> typing.Any:
        return self.messages.GetPrototype(descriptor)

    def start(self, rpc: str, metadata: typing.Any = None, timeout: float = 60, **values: typing.Any) -> typing.Any:
        """A call: its messages can be iterated over, and it can be cancelled."""
        if not self.rpcs:
            self.learn()
        method = self.rpcs[rpc]
        call = self.channel.unary_stream(f"/{SERVICE}/{rpc}", lambda message: message.SerializeToString(),
                                         self.type(method.output_type).FromString)
        return call(self.type(method.input_type)(**values), timeout=timeout, metadata=metadata)

    def call(self, rpc: str, metadata: typing.Any = None, timeout: float = 60, **values: typing.Any) -> typing.Any:
        """The one reply; fails with grpc.RpcError."""
        replies = list(self.start(rpc, metadata, timeout, **values))
        assert len(replies) == 1, replies
        return replies[0]
