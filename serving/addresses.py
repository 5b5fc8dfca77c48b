"""Which names and addresses are this machine."""

import ipaddress
import re
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from starlette.types import Scope

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared with, not bound to
# RFC 9110, 7.2: a host and perhaps a port; not a whole address, not two of them.
HOST_HEADER = re.compile(r"([\w.-]{1,253}|\[[\da-f:.]+\])(:\d{0,5})?", re.ASCII | re.IGNORECASE)


# IPv6 may be written as in a URL; a socket takes it without brackets.
ListenHost = Annotated[str, AfterValidator(lambda host: host.removeprefix("[").removesuffix("]"))]


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def is_loopback(host: str) -> bool:
    """Whether a host of a setting or a URL is this machine."""
    host = host.lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761 section 6.3


def can_be_called(url: str) -> bool:
    """Whether an address names a host and a port that can be: else each call of it would fail by itself."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port  # which raises above 65535
        host.encode("idna")  # which raises for a part that is empty, or longer than 63 bytes
    except ValueError:
        return False
    return bool(host)


def is_confidential(url: str) -> bool:
    """Whether nobody on the way can read or change what an address answers: HTTPS, or this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def address_shown(host: str, port: int) -> str:
    """Return the URL, without a path, at which a browser on this machine reaches what listens there."""
    usual = {"127.0.0.1", "localhost", "::1", *EVERYWHERE}
    name = "localhost" if host in usual else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}"


@lru_cache(maxsize=64)  # called for every request; parsing takes a tenth of the time of a short one
def is_own_name(header: str) -> bool:
    """Whether a Host header is a loopback name, with any port. In a DNS rebinding attack it is not."""
    name = HOST_HEADER.fullmatch(header)
    return name is not None and is_loopback(name[1].strip("[]"))


def client_of(scope: Scope) -> str:
    """Return whose request it is: an address; of IPv6, where each has many, a network of 64 bits."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((host, 64), strict=False))
    return str(getattr(address, "ipv4_mapped", None) or address)
