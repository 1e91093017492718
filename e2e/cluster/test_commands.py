"""Command lines, configurations and the parsing behind them."""

import argparse
import io
import json
import pathlib
import tarfile

import pytest

import apiserver
import cluster
import images
from kit import aptsources, basics, cgroups, configs, controlplane, layout, network, oci, pki, programs

GO_MOD = """module x

go 1.25.0

tool example.com/some/tool

require (
\tk8s.io/kubernetes v1.35.4
\texample.com/other v1.0.0 // indirect
)
"""


def test_versions_and_flags_come_from_go_mod():
    assert programs.directive(GO_MOD, "go") == "1.25.0"
    assert programs.directive(GO_MOD, "tool") == "example.com/some/tool"
    assert programs.version_tuple("go1.26rc1") == (1, 26, 0) > programs.version_tuple("1.25.9")
    flags = programs.link_flags(GO_MOD)
    assert "version.gitVersion=v1.35.4" in flags and "version.gitMinor=35" in flags
    assert programs.link_flags("module y\n\ngo 1.24\n") == "-s -w"


def test_go_that_is_too_old_or_missing_is_not_used(tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.usable_go((1, 25, 0)) is None
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.24.9\n", encoding="utf-8")
    go.chmod(0o755)
    assert programs.usable_go((1, 25, 0)) is None
    assert programs.usable_go((1, 24, 0)) == str(go)


def test_cached_folder_is_filled_once_and_never_half(tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def fail(folder: pathlib.Path) -> None:
        (folder / "half").touch()
        raise basics.HarnessError("no")

    with pytest.raises(basics.HarnessError):
        programs.cached("tool", "k", fail)
    folder = programs.cached("tool", "k", lambda made: (made / "whole").touch())
    assert programs.cached("tool", "k", fail) == folder
    assert [path.name for path in folder.parent.iterdir()] == ["tool-k"]
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_api_server_command_names_its_endpoint(tmp_path: pathlib.Path):
    endpoint = controlplane.ApiEndpoint("127.0.0.1", 1234, "http://127.0.0.1:1", "http://127.0.0.1:2")
    command = controlplane.api_server_command(pathlib.Path("/bin/x"), pki.Authority(tmp_path), endpoint)
    assert {"--secure-port=1234", "--etcd-servers=http://127.0.0.1:1", "--authorization-mode=Node,RBAC"} <= set(command)
    assert controlplane.server_names(endpoint).count("IP:127.0.0.1") == 1


def test_routes_of_others_within_the_ranges_clash():
    routes = [{"dst": "default", "dev": "eth0"}, {"dst": "192.0.2.0/24", "dev": "eth0"},
              {"dst": "10.244.0.0/16", "dev": "oae-a"}, {"dst": "10.0.0.0/8", "dev": "tun0"},
              {"dst": "198.18.0.2", "dev": "tun1"}]
    assert network.clashes(routes, "oae-a") == ["10.0.0.0/8 dev tun0", "198.18.0.2 dev tun1"]


@pytest.mark.parametrize("name", ["", "A", "1a", "a/b", "a.b", "abcdefghijkl"])
def test_cluster_names_that_would_not_fit_are_refused(name: str):
    with pytest.raises(basics.HarnessError, match="must match"):
        layout.Layout(name)


def test_longest_names_fit_the_kernels_limits():
    longest = layout.Layout("abcdefghijk")
    assert len(network.link_name(longest.name)) <= 15
    assert len(str(longest.containerd_socket)) <= 107


def test_configurations_are_valid_json():
    made = layout.Layout("x")
    assert json.loads(configs.kubelet(made, "a", "b", "c"))["cgroupRoot"] == "/openagents-e2e-x"
    assert json.loads(configs.cni(made))["plugins"][0]["type"] == "ptp"
    assert json.loads(configs.helper_pod())["kind"] == "Pod"
    assert json.loads(configs.provisioner(made))["nodePathMap"][0]["node"] == layout.NODE


def test_cgroup_mounts_of_the_hybrid_layout():
    mountinfo = ("30 29 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
                 "31 29 0:27 / /other/pids rw shared:1 - cgroup cgroup rw,pids\n"
                 "32 29 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                 "33 29 0:29 / /tmp rw - tmpfs tmpfs rw\n")
    assert cgroups.parse_mounts(mountinfo) == [(pathlib.Path("/sys/fs/cgroup/pids"), "cgroup"),
                                               (pathlib.Path("/sys/fs/cgroup/unified"), "cgroup2")]


def test_words_for_other_programs_are_passed_on_untouched():
    assert cluster.split(["up", "--name", "x"]) == (["up", "--name", "x"], [])
    assert cluster.split(["kubectl", "-n", "kube-system", "get", "pods"]) == (
        ["kubectl"], ["-n", "kube-system", "get", "pods"])
    assert cluster.split(["kubectl", "--name", "x", "get", "--name"]) == (["kubectl", "--name", "x"], ["get", "--name"])
    assert cluster.split(["node", "--name=x", "--", "ls", "--", "-l"]) == (["node", "--name=x"], ["ls", "--", "-l"])


def test_variables_of_further_users():
    assert apiserver.variable_of("view-only.x") == "KUBECONFIG_VIEW_ONLY_X"
    assert apiserver.parse(["run", "--user", "a:b", "--", "ls", "-l"]).words == ["ls", "-l"]


def test_archive_is_the_same_each_time_and_names_its_image(tmp_path: pathlib.Path):
    program = tmp_path / "pause"
    program.write_bytes(b"binary")
    first = oci.pause_archive(program)
    assert first == oci.pause_archive(program)
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        index = json.load(archive.extractfile("index.json"))
        manifest = index["manifests"][0]
        assert manifest["annotations"]["io.containerd.image.name"] == oci.PAUSE
        assert f"blobs/sha256/{manifest['digest'].partition(':')[2]}" in archive.getnames()


def test_apt_sources_of_debian_only():
    modern = ("Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
              "# a comment\nTypes: deb\nURIs: https://vendor.example\nSuites: nodistro\nComponents: main\n\n"
              "Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n")
    classic = ("deb-src http://src.example/debian bookworm main\ndeb [trusted=yes] http://own.example/debian bookworm main\n"
               "deb http://own.example/debian bookworm contrib\n")
    found = aptsources.of_suite(aptsources.parse_deb822(modern) + aptsources.parse_list(classic), "bookworm")
    assert [source.line() for source in found] == [
        "deb http://mirror.example/debian bookworm main", "deb http://mirror.example/debian bookworm-updates main",
        "deb [trusted=yes] http://own.example/debian bookworm main"]


def test_build_command_passes_everything_on(tmp_path: pathlib.Path):
    options = argparse.Namespace(file=tmp_path / "Dockerfile", tag="docker.io/openagents/x:1", build_arg=["A=b"],
                                 target=None)
    words = images.build_command(options, tmp_path, ["/a:/b:ro"])
    for pair in (["--build-arg", "A=b"], ["--volume", "/a:/b:ro"], ["--isolation", "chroot"]):
        assert words[words.index(pair[0]) + 1] == pair[1]
    assert {"--pull-never", "--layers"} <= set(words) and words[-1] == str(tmp_path)


def test_cache_folders_need_a_place_in_the_build(tmp_path: pathlib.Path):
    assert images.cache_volumes([f"{tmp_path}/new:/cache"]) == [f"{tmp_path}/new:/cache:rw"]
    assert (tmp_path / "new").is_dir()
    with pytest.raises(basics.HarnessError, match="must be HOST:"):
        images.cache_volumes(["nowhere"])
