"""One certificate authority per cluster, certificates from it, and kubeconfig files."""

from __future__ import annotations

import base64
import os
import pathlib
from collections.abc import Sequence

from . import basics

DAYS = "3650"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]


def subject(common_name: str, organizations: Sequence[str] = ()) -> str:
    """The subject as openssl takes it: groups are O, the user is CN; '/' separates, so it is escaped."""
    escape = lambda text: text.replace("\\", "\\\\").replace("/", "\\/")  # noqa: E731
    return "".join(f"/O={escape(group)}" for group in organizations) + f"/CN={escape(common_name)}"


def render_kubeconfig(server: str, authority: bytes, certificate: bytes, key: bytes, user: str) -> str:
    """A kubeconfig with everything embedded, so that the file may be copied anywhere."""
    encode = lambda data: base64.b64encode(data).decode("ascii")  # noqa: E731
    return f"""apiVersion: v1
kind: Config
clusters:
- name: openagents-e2e
  cluster:
    server: {server}
    certificate-authority-data: {encode(authority)}
users:
- name: {user}
  user:
    client-certificate-data: {encode(certificate)}
    client-key-data: {encode(key)}
contexts:
- name: openagents-e2e
  context:
    cluster: openagents-e2e
    user: {user}
    namespace: default
current-context: openagents-e2e
"""


class Authority:
    """The CA in a directory; makes what is missing and leaves what is there."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.certificate = directory / "ca.crt"
        self.key = directory / "ca.key"
        if not self.certificate.exists():
            basics.run(["openssl", "req", "-x509", *NEW_KEY, "-keyout", self.key, "-out", self.certificate,
                        "-days", DAYS, "-subj", "/CN=openagents-e2e",
                        "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"])

    def issue(self, name: str, common_name: str, organizations: Sequence[str] = (),
              addresses: Sequence[str] = ()) -> tuple[pathlib.Path, pathlib.Path]:
        """A certificate and its key; `addresses` (DNS:… or IP:…) make it a server's as well."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        if certificate.exists():
            return certificate, key
        usages = "clientAuth,serverAuth" if addresses else "clientAuth"
        extensions = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", f"extendedKeyUsage={usages}",
                      "-addext", "keyUsage=critical,digitalSignature"]
        if addresses:
            extensions += ["-addext", "subjectAltName=" + ",".join(addresses)]
        basics.run(["openssl", "req", "-x509", "-CA", self.certificate, "-CAkey", self.key, *NEW_KEY,
                    "-keyout", key, "-out", certificate, "-days", DAYS,
                    "-subj", subject(common_name, organizations), *extensions])
        return certificate, key

    def signing_key(self, name: str) -> tuple[pathlib.Path, pathlib.Path]:
        """A key pair (private, public) for signing service account tokens."""
        private, public = self.directory / f"{name}.key", self.directory / f"{name}.pub"
        if not public.exists():
            basics.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-out", private])
            basics.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public])
        return private, public

    def kubeconfig(self, path: pathlib.Path, server: str, common_name: str,
                   organizations: Sequence[str] = ()) -> pathlib.Path:
        """Writes a kubeconfig for a user; only its owner may read it, since it holds the key."""
        if not path.exists():
            certificate, key = self.issue(f"client-{path.stem}", common_name, organizations)
            text = render_kubeconfig(server, self.certificate.read_bytes(), certificate.read_bytes(),
                                     key.read_bytes(), common_name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                handle.write(text)
        return path
