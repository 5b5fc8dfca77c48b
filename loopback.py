"""Which names and addresses are this machine."""

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether a host of a setting or a URL is this machine; an IPv6 address may stand in brackets."""
    host = host.lower().removeprefix("[").removesuffix("]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761 section 6.3


def is_own_name(header: str) -> bool:
    """Whether a Host header names this machine, with any port; with DNS rebinding it names another."""
    try:
        return is_loopback(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False
