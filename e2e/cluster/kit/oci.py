"""Small images written without a container engine: an OCI archive is a tar of JSON and layers."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import subprocess
import tarfile
from dataclasses import dataclass, field

from . import basics

PAUSE = "docker.io/local/pause:1"
BUSYBOX = "docker.io/local/busybox:1"


@dataclass
class Layer:
    """A file tree as an uncompressed tar; equal trees give equal bytes, whenever they are written."""

    buffer: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        self._tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.GNU_FORMAT)

    def folder(self, path: str, mode: int = 0o755) -> None:
        self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._add(path, tarfile.REGTYPE, mode, content)

    def link(self, path: str, target: str) -> None:
        self._add(path, tarfile.SYMTYPE, 0o777, target=target)

    def _add(self, path: str, kind: bytes, mode: int, content: bytes = b"", target: str = "") -> None:
        info = tarfile.TarInfo(path)
        info.type, info.mode, info.size, info.linkname = kind, mode, len(content), target
        self._tar.addfile(info, io.BytesIO(content))

    def bytes(self) -> bytes:
        self._tar.close()
        return self.buffer.getvalue()


def _blob(content: bytes) -> tuple[str, str]:
    digest = hashlib.sha256(content).hexdigest()
    return f"sha256:{digest}", f"blobs/sha256/{digest}"


def archive(reference: str, layer: bytes, config: dict) -> bytes:
    """An OCI archive with one layer; `config` is the image's run configuration."""
    def described(kind: str, content: bytes, **more) -> dict:
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": _blob(content)[0],
                "size": len(content), **more}

    layer_digest = _blob(layer)[0]
    image = json.dumps({"architecture": "amd64", "os": "linux", "config": config,
                        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
                        "history": [{"created_by": "e2e/cluster"}]}).encode()
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": described("config.v1+json", image),
                           "layers": [described("layer.v1.tar", layer)]}).encode()
    # containerd takes the first annotation as the full name, other tools the second.
    names = {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference}
    index = json.dumps({"schemaVersion": 2,
                        "manifests": [described("manifest.v1+json", manifest, annotations=names)]}).encode()
    whole = Layer()
    whole.file("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    whole.file("index.json", index)
    for content in (image, manifest, layer):
        whole.file(_blob(content)[1], content)
    return whole.bytes()


def pause_archive(program: pathlib.Path) -> bytes:
    layer = Layer()
    layer.file("pause", program.read_bytes(), 0o755)
    return archive(PAUSE, layer.bytes(), {"Entrypoint": ["/pause"], "User": "65535:65535"})


def busybox_archive(program: pathlib.Path) -> bytes:
    """Every applet under its own name, and the few files that programs expect to find."""
    content = program.read_bytes()
    if b"/ld-linux" in content[:4096]:
        raise basics.HarnessError(f"{program} must be static: apt-get install busybox-static instead of busybox")
    applets = subprocess.run([program, "--list"], check=True, capture_output=True, text=True).stdout.split()
    layer = Layer()
    for path in ("bin", "etc", "root", "var", "usr"):
        layer.folder(path)
    layer.folder("tmp", 0o1777)
    layer.file("bin/busybox", content, 0o755)
    for applet in sorted(set(applets) - {"busybox"}):
        layer.link(f"bin/{applet}", "busybox")
    layer.link("usr/bin", "../bin")
    layer.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    layer.file("etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    return archive(BUSYBOX, layer.bytes(), {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]})
