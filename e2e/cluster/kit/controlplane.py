"""Command lines of etcd and the API server, and when the latter is ready.

Shared by the cluster and by the bare API server of the integration tests.
"""

from __future__ import annotations

import http.client
import pathlib
import socket
import ssl
from dataclasses import dataclass

from . import basics, network, pki


@dataclass(frozen=True)
class ApiEndpoint:
    """Where the API server listens and where it finds etcd."""

    address: str
    port: int
    etcd_client: str
    etcd_peer: str

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"


def etcd_command(program: pathlib.Path, data: pathlib.Path, endpoint: ApiEndpoint) -> list[str]:
    return [
        str(program), "--name=etcd", f"--data-dir={data}",
        f"--listen-client-urls={endpoint.etcd_client}", f"--advertise-client-urls={endpoint.etcd_client}",
        f"--listen-peer-urls={endpoint.etcd_peer}", f"--initial-advertise-peer-urls={endpoint.etcd_peer}",
        f"--initial-cluster=etcd={endpoint.etcd_peer}",
        # A test's data need not survive a power cut, and syncing costs most of etcd's time.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def server_names(endpoint: ApiEndpoint) -> list[str]:
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc",
             "kubernetes.default.svc.cluster.local", "localhost"]
    addresses = ["127.0.0.1", network.API_SERVICE_ADDRESS]
    if endpoint.address not in addresses:
        addresses.append(endpoint.address)
    return [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]


def api_server_command(program: pathlib.Path, authority: pki.Authority, endpoint: ApiEndpoint) -> list[str]:
    """What both uses need; the callers add what only a cluster has, such as kubelets."""
    certificate, key = authority.issue("apiserver", "kube-apiserver", addresses=server_names(endpoint))
    private, public = authority.signing_key("service-accounts")
    return [
        str(program),
        f"--etcd-servers={endpoint.etcd_client}",
        f"--bind-address={endpoint.address}", f"--secure-port={endpoint.port}",
        f"--advertise-address={endpoint.address}",
        f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}",
        f"--client-ca-file={authority.certificate}",
        "--authorization-mode=Node,RBAC", "--allow-privileged=true",
        f"--service-cluster-ip-range={network.SERVICE_RANGE}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={public}", f"--service-account-signing-key-file={private}",
    ]


def get(endpoint: ApiEndpoint, authority: pki.Authority, path: str,
        client: tuple[pathlib.Path, pathlib.Path] | None = None) -> tuple[int, bytes]:
    """One GET: status and body; status 0 where there is no answer. `client` is a certificate and its key."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if client:
        context.load_cert_chain(*map(str, client))
    connection = http.client.HTTPSConnection(endpoint.address, endpoint.port, timeout=5, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def ready(endpoint: ApiEndpoint, authority: pki.Authority) -> bool:
    """Whether /readyz says ok; the path is open to everyone, so no client certificate is needed."""
    return get(endpoint, authority, "/readyz")[0] == 200


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago; a caller tries again if one is lost meanwhile."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    except OSError as error:
        raise basics.HarnessError(f"no {count} free loopback ports: {error}") from error
    finally:
        for each in sockets:
            each.close()
