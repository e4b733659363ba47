"""Which addresses a download may ask: whatever the settings do not name is refused (pure but for the look-up).

A host is allowed by name and its name must lead to public addresses only. Redirects are judged like
the first address.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from django.conf import settings

from sources.origins.errors import OriginRefused, TemporaryFailure

if TYPE_CHECKING:
    import httpx2

PORT = 443
# Nothing outside of this block is a public address of version 6: neither ::1, private, link-local and multicast ones,
# nor those that carry one of version 4 in them (mapped ::ffff:0:0/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48).
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Registered for special purposes although they lie within (RFC 6890 and its registry): protocol assignments with
# Teredo, documentation, and 6to4, which carries an address of version 4.
SPECIAL_6 = [ipaddress.ip_network(block) for block in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
# Protocol assignments and the relays of 6to4, of which Python counts some as public.
SPECIAL_4 = [ipaddress.ip_network(block) for block in ("192.0.0.0/24", "192.88.99.0/24")]


@dataclass(frozen=True, slots=True)
class Guard:
    """The allowed hosts ("example.org", or "*.example.org" for the names below it) and, by host and port, exceptions.

    An exception may have any port and any address, private ones too; it is still asked by HTTPS only.
    """

    hosts: frozenset[str]
    exceptions: frozenset[tuple[str, int]]

    @classmethod
    def of_settings(cls) -> Self:
        """The guard that OIG_DOWNLOAD_HOSTS and OIG_DOWNLOAD_EXCEPTIONS describe."""
        pairs = (entry.lower().rpartition(":") for entry in settings.DOWNLOAD_EXCEPTIONS)
        exceptions = frozenset((host.strip("[]"), int(port)) for host, _, port in pairs)
        return cls(frozenset(host.lower() for host in settings.DOWNLOAD_HOSTS), exceptions)

    def check(self, url: httpx2.URL) -> None:
        """Raise OriginRefused unless ``url`` may be asked, as far as its text tells."""
        host, port = url.raw_host.decode("ascii"), url.port or PORT
        if url.scheme != "https":
            raise _refused(url, "is not an https address", "downloads come by https only")
        if url.userinfo:
            raise _refused(url, "holds a user name or password", "leave it out; OIG_HF_TOKEN is the place for a token")
        if (host, port) in self.exceptions:
            return
        if not self._allows(host):
            raise _refused(url, f"host {host} is not allowed", "an operator may add it to OIG_DOWNLOAD_HOSTS")
        if port != PORT:
            remedy = f"an operator may add {host}:{port} to OIG_DOWNLOAD_EXCEPTIONS"
            raise _refused(url, f"port {port} is not allowed", remedy)

    def addresses(self, host: str, port: int) -> list[str]:
        """What ``host`` resolves to now, in the resolver's order.

        Raises OriginRefused if a single one is not public: the name could lead there at any time.
        """
        origin = f"https://{host}" if port == PORT else f"https://{host}:{port}"
        found = _look_up(origin, host, port)
        if (host, port) not in self.exceptions:
            for address in found:
                if not is_public(address):
                    problem = f"{host} leads to {address}, which is not a public address"
                    remedy = f"an operator may add {host}:{port} to OIG_DOWNLOAD_EXCEPTIONS"
                    raise OriginRefused(origin=origin, problem=problem, remedy=remedy)
        return found

    def _allows(self, host: str) -> bool:
        parents = _parents(host)
        return host in self.hosts or any(f"*.{parent}" in self.hosts for parent in parents)


def is_public(address: str) -> bool:
    """Whether an IP address is one that the internet routes to a single host, and carries no other address in it."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv4Address):
        ordinary = not ip.is_multicast and not ip.is_reserved
        return ip.is_global and ordinary and not any(ip in block for block in SPECIAL_4)
    return ip.is_global and ip in GLOBAL_UNICAST and not any(ip in block for block in SPECIAL_6)


def shown(url: httpx2.URL) -> str:
    """The address for messages: without query, user name and password."""
    return str(url.copy_with(query=None, fragment=None, userinfo=b""))


def _parents(host: str) -> Iterable[str]:
    """The names above ``host``, label by label, so that evilexample.org is never taken for one below example.org."""
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _look_up(origin: str, host: str, port: int) -> list[str]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        problem = f"{host} cannot be resolved ({getattr(error, 'strerror', None) or error})"
        raise TemporaryFailure(origin=origin, problem=problem, remedy="check the name and this machine's DNS") from None
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


def _refused(url: httpx2.URL, problem: str, remedy: str) -> OriginRefused:
    return OriginRefused(origin=shown(url), problem=problem, remedy=remedy)
