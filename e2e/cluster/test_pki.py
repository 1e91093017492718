"""Kubeconfig files carry what they need, and certificates say who somebody is."""

import base64
import pathlib
import re
import stat
import subprocess

import pytest

from kit import basics, pki


def test_kubeconfig_embeds_the_certificates():
    text = pki.render_kubeconfig("https://198.18.0.2:6443", b"CA", b"CERT", b"KEY", "admin")
    data = dict(re.findall(r"(\S+)-data: (\S+)", text))
    assert {name: base64.b64decode(value) for name, value in data.items()} == {
        "certificate-authority": b"CA", "client-certificate": b"CERT", "client-key": b"KEY"}
    assert "server: https://198.18.0.2:6443\n" in text
    assert text.endswith("current-context: openagents-e2e\n")


def test_subject_escapes_what_separates_its_parts():
    assert pki.subject("system:node:a/b", ["x", "y"]) == "/O=x/O=y/CN=system:node:a\\/b"


def test_issued_certificate_names_user_groups_and_addresses(tmp_path: pathlib.Path):
    authority = pki.Authority(tmp_path)
    certificate, _ = authority.issue("server", "me", ["devs", "ops"], ["DNS:localhost", "IP:127.0.0.1"])
    text = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-text"], check=True,
                          capture_output=True, text=True).stdout
    assert "O = devs, O = ops, CN = me" in text
    assert "DNS:localhost, IP Address:127.0.0.1" in text
    assert subprocess.run(["openssl", "verify", "-CAfile", authority.certificate, certificate], check=False,
                          capture_output=True).returncode == 0


def test_authority_is_made_once_and_its_kubeconfig_is_private(tmp_path: pathlib.Path):
    first = pki.Authority(tmp_path).certificate.read_bytes()
    path = pki.Authority(tmp_path).kubeconfig(tmp_path / "admin.kubeconfig", "https://x", "admin")
    assert pki.Authority(tmp_path).certificate.read_bytes() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failure_of_a_command_is_one_line_that_names_it():
    with pytest.raises(basics.HarnessError, match=r"^command 'sh -c echo bad >&2; exit 3' exited with 3: bad$"):
        basics.run(["sh", "-c", "echo bad >&2; exit 3"])
