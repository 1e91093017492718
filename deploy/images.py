#!/usr/bin/env python3
"""Builds the project's images into OCI archives under build/images/. See README.md.

An image's tag is a hash of what goes into it: an archive that exists is up to
date, and a changed image never hides behind an old tag.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e" / "cluster"))
from kit import basics  # noqa: E402 (found by the line above)

BUILDER = ROOT / "e2e" / "cluster" / "images.py"
ARCHIVES = ROOT / "build" / "images"
NAMES = ("agent-runtime", "operator")
# Where ccache keeps its files for root, which is who builds inside of an image.
CCACHE_INSIDE = "/root/.cache/ccache"


@dataclass(frozen=True)
class Image:
    name: str
    tag: str

    @property
    def repository(self) -> str:
        return f"docker.io/openagents/{self.name}"

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def archive(self) -> pathlib.Path:
        return ARCHIVES / f"{self.name}-{self.tag}.tar"


def dockerfile(name: str) -> pathlib.Path:
    return ROOT / "deploy" / "docker" / f"{name}.Dockerfile"


def inputs(name: str) -> list[pathlib.Path]:
    """The files that decide what the image holds: the Dockerfile and all that it copies from the tree."""
    text = dockerfile(name).read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    files = {dockerfile(name)}
    for word in " ".join(copied).split():
        path = ROOT / word
        if not path.exists():
            raise basics.HarnessError(f"{dockerfile(name)} copies {word}, which must exist in {ROOT} and does not")
        files |= {path} if path.is_file() else {each for each in path.rglob("*") if each.is_file()}
    return sorted(files)


def tag_of(name: str) -> str:
    digest = hashlib.sha256()
    for path in inputs(name):
        content = path.read_bytes()
        executable = os.access(path, os.X_OK)
        digest.update(f"{path.relative_to(ROOT)} {executable} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]


def version() -> str:
    found = re.search(r"^project\(\S+ VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"),
                      re.MULTILINE)
    return found.group(1) if found else "unknown"


def revision(name: str) -> str:
    """The last commit that changed the image, so that other commits leave its bytes alone."""
    paths = [str(path) for path in inputs(name)]

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words, "--", *paths], check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("log", "-1", "--format=%h")
    return f"{commit or 'unknown'}{'-dirty' if git('status', '--porcelain') else ''}"


def compiler_cache() -> pathlib.Path:
    """This machine's ccache, so that what was compiled in the tree is not compiled again for the image."""
    if shutil.which("ccache"):
        done = subprocess.run(["ccache", "--get-config", "cache_dir"], check=False, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if done.returncode == 0 and done.stdout.strip():
            return pathlib.Path(done.stdout.strip())
    return ROOT / "build" / "ccache"


def with_names(archive: bytes, names: Sequence[str]) -> bytes:
    """The same OCI archive, its one image under each of the names."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as source, \
            tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as target:
        for member in source:
            if not member.isfile():
                target.addfile(member)
                continue
            content = source.extractfile(member).read()
            if member.name.removeprefix("./") == "index.json":
                index = json.loads(content)
                manifest = index["manifests"][0]
                # containerd takes the first annotation as the full name, other tools the second.
                index["manifests"] = [
                    manifest | {"annotations": {"io.containerd.image.name": name,
                                                "org.opencontainers.image.ref.name": name}} for name in names]
                content = json.dumps(index).encode()
                member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return out.getvalue()


def build(name: str) -> Image:
    """The image's archive, built if it is not there; it goes by its own tag and by `latest`."""
    image = Image(name, tag_of(name))
    if image.archive.exists():
        return image
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    basics.say(f"building {image.reference}")
    fresh = ARCHIVES / f".{name}-{os.getpid()}.tar"
    log = ARCHIVES / f"{name}.log"
    try:
        with open(log, "w", encoding="utf-8") as output:
            done = subprocess.run([
                sys.executable, BUILDER, "build", "--file", dockerfile(name), "--context", ROOT,
                "--tag", image.reference, "--output", fresh,
                "--build-arg", f"VERSION={version()}", "--build-arg", f"REVISION={revision(name)}",
                *(f"--build-arg={key}={os.environ[key]}" for key in ("LANG", "LC_ALL") if os.environ.get(key)),
                "--cache-dir", f"{compiler_cache()}:{CCACHE_INSIDE}",
            ], check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if done.returncode != 0:
            raise basics.HarnessError(f"image {name} could not be built: {last_error(log)} (all of it: {log})")
        fresh.write_bytes(with_names(fresh.read_bytes(), [image.reference, f"{image.repository}:latest"]))
        for old in ARCHIVES.glob(f"{name}-*.tar"):
            old.unlink()
        fresh.rename(image.archive)
    finally:
        fresh.unlink(missing_ok=True)
    size = image.archive.stat().st_size
    basics.say(f"built {image.reference}: {size / 1e6:.1f} MB in {time.monotonic() - started:.0f} s")
    return image


def last_error(log: pathlib.Path) -> str:
    """The first complaint of the compiler, CMake or apt with what follows it, else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    first = next((at for at, line in enumerate(lines) if re.search(r"\berror: |^CMake Error|^E: ", line)), -1)
    return " ".join(lines[first:][:3])[:400] if lines else "no output"


def main() -> int:
    parser = argparse.ArgumentParser(description="Builds the images into OCI archives under build/images/")
    parser.add_argument("image", nargs="*", help=f"which (default: all of {', '.join(NAMES)})")
    for name in parser.parse_args().image or NAMES:
        if name not in NAMES:
            raise basics.HarnessError(f"image {name!r} must be one of {', '.join(NAMES)}")
        print(build(name).archive)
    return 0


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(main))
