#!/usr/bin/python3
"""Container images on a machine without a registry. See README.md.

`base` makes docker.io/library/debian:bookworm-slim with debootstrap, `build`
builds a Dockerfile on it with buildah. Both work in a private storage.
"""

from __future__ import annotations

import argparse
import json
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from kit import aptsources, basics

SUITE = "bookworm"
BASE = f"docker.io/library/debian:{SUITE}-slim"
KEEP_SECONDS = 24 * 3600
KEY_LABEL = "com.openagents.e2e.base-key"
# What a container needs of neither apt nor the documentation; copyright files stay, licences ask for them.
STRIP = r"""
set -eu
cd "$1"
rm -rf var/cache/apt/* var/cache/debconf/*-old var/lib/apt/lists/* var/log/* usr/share/man usr/share/info usr/share/locale
find usr/share/doc -type f ! -name copyright -delete
find usr/share/doc -depth -type d -empty -delete
rm -f etc/hostname etc/resolv.conf etc/machine-id
# What a build mounts over; buildah would leave empty files in the layer where these are missing.
touch etc/apt/apt.conf etc/apt/host-ca.crt
mkdir -p var/cache/apt/archives/partial var/lib/apt/lists/partial etc/dpkg/dpkg.cfg.d
printf 'path-exclude /usr/share/%s/*\n' man info locale > etc/dpkg/dpkg.cfg.d/slim
printf 'path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n' >> etc/dpkg/dpkg.cfg.d/slim
printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\nDir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n' \
  > etc/apt/apt.conf.d/slim
"""


def require(command: str, *needed: str) -> None:
    if os.geteuid() != 0:
        raise basics.HarnessError(f"images.py {command} must run as root: it mounts and changes root folders")
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = [program for program in needed if shutil.which(program, path=path) is None]
    if missing:
        raise basics.HarnessError(f"Debian packages {' '.join(missing)} must be installed and are not: run "
                                  "cmake/install-packages.sh e2e")


def storage() -> pathlib.Path:
    return basics.cache_dir() / "images"


def run_root() -> pathlib.Path:
    """What buildah knows of mounts must not outlive a restart of the machine, so it is not in the cache."""
    return pathlib.Path("/run") / f"openagents-images-{hashlib.sha256(os.fsencode(storage())).hexdigest()[:8]}"


def buildah(*arguments: str | os.PathLike) -> list[str]:
    return ["buildah", "--root", str(storage() / "root"), "--runroot", str(run_root()),
            "--storage-driver", "overlay", *(os.fspath(argument) for argument in arguments)]


def buildah_environment() -> dict[str, str]:
    """Settings of our own: short names mean Docker Hub, as they do for those who have a registry."""
    folder = storage() / "config"
    folder.mkdir(parents=True, exist_ok=True)
    registries = folder / "registries.conf"
    registries.write_text('unqualified-search-registries = ["docker.io"]\nshort-name-mode = "permissive"\n',
                          encoding="utf-8")
    policy = folder / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}\n', encoding="utf-8")
    return os.environ | {"CONTAINERS_REGISTRIES_CONF": str(registries)}


def policy() -> list[str]:
    return ["--signature-policy", str(storage() / "config" / "policy.json")]


def base_key() -> str:
    """Names the recipe: an image made by another one is not taken for this one's."""
    return hashlib.sha256("\n".join((SUITE, STRIP, aptsources.PUBLIC)).encode()).hexdigest()[:16]


def base(options: argparse.Namespace) -> int:
    require("base", "buildah", "debootstrap")
    with basics.file_lock("images"):
        make_base(refresh=options.refresh)
    print(BASE)
    return 0


def prune(_: argparse.Namespace) -> int:
    require("prune", "buildah")
    with basics.file_lock("images"):
        basics.run(buildah("rmi", "--prune"), env=buildah_environment())
    return 0


def make_base(refresh: bool) -> None:
    """Makes the base image, unless one of this recipe is there; `refresh` takes today's packages anyway."""
    env = buildah_environment()
    found = subprocess.run(buildah("inspect", "--type", "image", "--format",
                                   f'{{{{index .OCIv1.Config.Labels "{KEY_LABEL}"}}}}', BASE),
                           env=env, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if not refresh and found.returncode == 0 and found.stdout.strip() == base_key():
        return
    mirror = aptsources.read(SUITE).mirror
    basics.say(f"making {BASE} from {mirror}")
    with tempfile.TemporaryDirectory(dir=storage(), prefix="base-") as folder:
        tree = pathlib.Path(folder) / "tree"
        basics.run(["debootstrap", "--variant=minbase", SUITE, tree, mirror], seconds=1800)
        basics.run(["sh", "-c", STRIP, "strip", tree])
        # Sources of the public archive: what this machine uses instead is given to each build, and kept in none.
        (tree / "etc/apt/sources.list").write_text(aptsources.PUBLIC.format(suite=SUITE), encoding="utf-8")
        container = basics.run(buildah("from", "scratch"), env=env).strip()
        try:
            basics.run(buildah("add", "--quiet", container, tree, "/"), env=env)
            basics.run(buildah("config", "--cmd", "bash", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
                               "/usr/bin:/sbin:/bin", "--label", f"{KEY_LABEL}={base_key()}", container), env=env)
            basics.run(buildah("commit", "--quiet", *policy(), container, BASE), env=env)
        finally:
            basics.run(buildah("rm", container), env=env)


def build_command(options: argparse.Namespace, context: pathlib.Path, volumes: Sequence[str]) -> list[str]:
    words = ["bud", "--isolation", "chroot", "--pull-never", "--layers", *policy(),
             "--file", str(options.file), "--tag", options.tag]
    for argument in options.build_arg:
        words += ["--build-arg", argument]
    for volume in volumes:
        words += ["--volume", volume]
    if options.target:
        words += ["--target", options.target]
    return buildah(*words, str(context))


def cache_volumes(specs: Sequence[str]) -> list[str]:
    """Folders of this machine that a build may fill and find again: HOST:CONTAINER, made if missing."""
    volumes = []
    for spec in specs:
        host, separator, inside = spec.partition(":")
        if not separator or not inside.startswith("/"):
            raise basics.HarnessError(f"--cache-dir {spec!r} must be HOST:/PATH/IN/BUILD")
        folder = pathlib.Path(host).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        volumes.append(f"{folder}:{inside}:rw")
    return volumes


def build(options: argparse.Namespace) -> int:
    require("build", "buildah", "debootstrap")
    if not options.file.is_file():
        raise basics.HarnessError(f"--file {options.file} must be a Dockerfile and is not a file")
    if "/" not in options.tag:
        raise basics.HarnessError(f"--tag {options.tag!r} must be fully qualified, such as docker.io/openagents/x:1")
    context = options.context or options.file.parent
    with basics.file_lock("images"):
        make_base(refresh=False)
        with tempfile.TemporaryDirectory(dir=storage(), prefix="apt-") as folder:
            volumes = aptsources.read(SUITE).volumes(pathlib.Path(folder)) + cache_volumes(options.cache_dir)
            if subprocess.call(build_command(options, context, volumes), env=buildah_environment(),
                               stdin=subprocess.DEVNULL, stdout=sys.stderr) != 0:
                raise basics.HarnessError(f"building {options.file} failed: its output above says why")
        write_archive(options.tag, options.output)
        remove_old()
    print(options.output)
    return 0


def remove_old() -> None:
    """Removes what builds left behind more than a day ago, but for the base. What a day's builds leave
    makes the next one quick; what is to be kept of an image is its archive."""
    env = buildah_environment()
    found = json.loads(basics.run(buildah("images", "--all", "--json"), env=env))
    old = [image for image in found
           if time.time() - image["created"] > KEEP_SECONDS and BASE not in (image["names"] or [])]
    for image in sorted(old, key=lambda each: each["created"], reverse=True):  # children before their parents
        subprocess.run(buildah("rmi", "--force", image["id"]), env=env, check=False, stdin=subprocess.DEVNULL,
                       capture_output=True)  # one that younger images stand on stays


def write_archive(tag: str, output: pathlib.Path) -> None:
    """Replaces the archive only when the new one is whole."""
    temporary = output.with_name(f".{output.name}.new")
    temporary.unlink(missing_ok=True)  # a push into an existing archive would add to it
    try:
        basics.run(buildah("push", "--quiet", *policy(), tag, f"oci-archive:{temporary}:{tag}"),
                   env=buildah_environment())
        temporary.rename(output)
    finally:
        temporary.unlink(missing_ok=True)


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="images.py", description="Container images without a registry")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = commands.add_parser("base", help=f"make {BASE} if it is not there")
    made.set_defaults(run=base)
    made.add_argument("--refresh", action="store_true", help="make it anew from today's packages")
    made = commands.add_parser("prune", help="remove what no tag leads to: replaced images and cached steps")
    made.set_defaults(run=prune)
    made = commands.add_parser("build", help="build a Dockerfile and write an OCI archive")
    made.set_defaults(run=build)
    made.add_argument("--file", type=pathlib.Path, required=True, metavar="DOCKERFILE")
    made.add_argument("--tag", required=True, help="fully qualified name of the image")
    made.add_argument("--output", type=pathlib.Path, required=True, metavar="X.tar")
    made.add_argument("--context", type=pathlib.Path, metavar="DIR", help="default: the Dockerfile's folder")
    made.add_argument("--build-arg", action="append", default=[], metavar="K=V")
    made.add_argument("--target", metavar="STAGE", help="build up to this stage")
    made.add_argument("--cache-dir", action="append", default=[], metavar="HOST:/PATH",
                      help="folder kept between builds, such as a compiler's cache")
    return parser.parse_args(words)


def main() -> int:
    options = parse(sys.argv[1:])
    return options.run(options)


if __name__ == "__main__":
    sys.exit(basics.exit_code_of(main))
