"""This machine's apt configuration, as far as a build of a Debian image needs it.

A machine may reach packages only through a mirror, a proxy or a private
certificate authority. Builds get those by read-only mounts, so that neither the
images nor the tree ever name them. Sources of other vendors are left out: their
keys are not in the image, and apt refuses to go on without them.
"""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from . import basics

PUBLIC = """\
deb http://deb.debian.org/debian {suite} main
deb http://deb.debian.org/debian {suite}-updates main
deb http://deb.debian.org/debian-security {suite}-security main
"""
SETTINGS = re.compile(r'^Acquire::(?:https?(?:::|\s)|Retries|Check-Valid-Until|ForceIPv)\S*\s+"[^"]+";$')
CA_SETTING = re.compile(r'::CAInfo "([^"]+)"')
CA_INSIDE = "/etc/apt/host-ca.crt"


@dataclass(frozen=True)
class Source:
    """One suite of one archive; `trusted` as in apt's option of that name."""

    uri: str
    suite: str
    trusted: bool = False

    def line(self) -> str:
        return f"deb {'[trusted=yes] ' if self.trusted else ''}{self.uri} {self.suite} main"


def parse_list(text: str) -> list[Source]:
    """The one-line format: deb [options] URI SUITE COMPONENT…"""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
        if match and "main" in match.group(4).split():
            found.append(Source(match.group(2), match.group(3), "trusted=yes" in (match.group(1) or "")))
    return found


def parse_deb822(text: str) -> list[Source]:
    """Paragraphs of fields, where a line that starts with a blank goes on with the last field."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        last = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and last:
                fields[last] += " " + line.strip()
            elif ":" in line:
                last, _, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        if "main" in fields.get("components", "").split():
            found += [Source(uri, suite, fields.get("trusted", "no").lower() == "yes")
                      for uri in fields.get("uris", "").split() for suite in fields.get("suites", "").split()]
    return found


def of_suite(sources: Iterable[Source], suite: str) -> list[Source]:
    wanted = (suite, f"{suite}-updates", f"{suite}-security")
    return [source for source in dict.fromkeys(sources) if source.suite in wanted]


@dataclass(frozen=True)
class AptSources:
    sources: list[Source]
    settings: list[str]
    authority: pathlib.Path | None

    @property
    def mirror(self) -> str:
        return self.sources[0].uri

    def volumes(self, folder: pathlib.Path) -> list[str]:
        """Writes the files into the folder and returns buildah's volumes that show them to a build."""
        listing, settings = folder / "sources.list", folder / "apt.conf"
        listing.write_text("".join(f"{source.line()}\n" for source in self.sources), encoding="utf-8")
        settings.write_text("".join(f"{line}\n" for line in self.settings), encoding="utf-8")
        volumes = [f"{listing}:/etc/apt/sources.list:ro", f"{settings}:/etc/apt/apt.conf:ro"]
        if self.authority:
            volumes.append(f"{self.authority}:{CA_INSIDE}:ro")
        return volumes


def read(suite: str, etc: pathlib.Path = pathlib.Path("/etc/apt")) -> AptSources:
    found: list[Source] = []
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text(encoding="utf-8")
            found += parse_deb822(text) if path.suffix == ".sources" else parse_list(text)
    sources = of_suite(found, suite) or parse_list(PUBLIC.format(suite=suite))
    # debootstrap takes the first one's archive, and an archive of updates alone would not do.
    sources.sort(key=lambda source: source.suite != suite)
    dump = basics.run(["apt-config", "dump"]).splitlines()
    settings = [line for line in dump if SETTINGS.match(line)]
    named = [match.group(1) for line in settings if (match := CA_SETTING.search(line))]
    candidates = [*named, os.environ.get("SSL_CERT_FILE", ""), "/etc/ssl/certs/ca-certificates.crt"]
    secured = any(source.uri.startswith("https:") for source in sources)
    authority = next((pathlib.Path(path) for path in candidates if secured and path and os.path.isfile(path)), None)
    settings = [line for line in settings if not CA_SETTING.search(line)]
    if authority:
        settings.append(f'Acquire::https::CAInfo "{CA_INSIDE}";')
    return AptSources(sources, settings, authority)
