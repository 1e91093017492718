"""The wire between this machine and the node: one veth pair and two routes.

The node has no default route, so that nothing in the cluster reaches beyond the
machine; the machine's own firewall and forwarding stay as they are, because only
traffic of the machine itself crosses the pair.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess

from . import basics

HOST_ADDRESS = "198.18.0.1"
NODE_ADDRESS = "198.18.0.2"
LINK_RANGE = "198.18.0.0/30"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"


def link_name(cluster: str) -> str:
    return f"oae-{cluster}"  # an interface's name has at most 15 characters; cluster names are bounded for it


def clashes(routes: list[dict], own_link: str) -> list[str]:
    """Routes of others that lie within the cluster's ranges, as `ip` prints them."""
    own = [ipaddress.ip_network(text) for text in (LINK_RANGE, POD_RANGE, SERVICE_RANGE)]
    found = []
    for route in routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == own_link:
            continue
        if any(ipaddress.ip_network(destination, strict=False).overlaps(network) for network in own):
            found.append(f"{destination} dev {route.get('dev', '?')}")
    return found


def refuse_clashes(cluster: str) -> None:
    routes = json.loads(basics.run(["ip", "-json", "-4", "route", "show"]) or "[]")
    found = clashes(routes, link_name(cluster))
    if found:
        raise basics.HarnessError(f"this machine's route {found[0]} must not overlap the cluster's ranges {LINK_RANGE}, "
                                  f"{POD_RANGE} and {SERVICE_RANGE}")


def create(cluster: str, holder: int) -> None:
    link = link_name(cluster)
    basics.run(["ip", "-batch", "-"], input_text=f"""\
link add {link} type veth peer name eth0 netns {holder}
address add {HOST_ADDRESS}/30 dev {link}
link set {link} up
""")
    # nsenter into the network only: `ip netns exec` would hide the control groups, and needs a named namespace.
    basics.run(["nsenter", f"--net=/proc/{holder}/ns/net", "ip", "-batch", "-"], input_text=f"""\
link set lo up
address add {NODE_ADDRESS}/30 dev eth0
link set eth0 up
""")
    basics.run(["ip", "-batch", "-"], input_text=f"""\
route add {POD_RANGE} via {NODE_ADDRESS} dev {link}
route add {SERVICE_RANGE} via {NODE_ADDRESS} dev {link}
""")


def exists(cluster: str) -> bool:
    return subprocess.run(["ip", "link", "show", "dev", link_name(cluster)], check=False,
                          capture_output=True).returncode == 0


def remove(cluster: str) -> None:
    """Removing one end of the pair removes the other and the routes through it."""
    if exists(cluster):
        # The kernel may be removing the pair already, together with the node's namespace.
        subprocess.run(["ip", "link", "delete", "dev", link_name(cluster)], check=False, capture_output=True)
    basics.wait_until(lambda: not exists(cluster), 10, f"removal of network link {link_name(cluster)}")
