"""What stands in front of a service: a prefix of its paths, and the proxies whose headers are believed."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import FORWARDED_HOST, without_port
from serving.addresses import bracketed

PREFIX = re.compile(r"(/(?!\.\.?(/|\Z))[\w.~-]+)+", re.ASCII)  # /shop or /a/b; goes into addresses as it is
FORWARDED = re.compile(r'(?i)(?:^|[;,\s])(for|host|proto)=(?:"([^"]*)"|([^;,\s]*))')  # RFC 7239
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(listed: str) -> list[Network]:
    """Read addresses and networks, separated by commas. Raises ValueError for anything else."""
    return [ipaddress.ip_network(entry.strip(), strict=False) for entry in listed.split(",") if entry.strip()]


@dataclass
class Forwarding:
    """Middleware that makes of a forwarded request the one that the client has sent.

    Its path begins with the prefix, which is its `root_path` (ASGI), whether the proxy has kept or stripped
    it. From a trusted proxy only, the client's address and scheme are those of its headers; so is the prefix
    where the setting names none, and a host that is checked like that of the request.
    """

    app: ASGIApp
    root_path: str = ""
    trusted: Sequence[Network] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the prefix alone is sent on to what the page's addresses are relative to."""
        app = self.app
        if scope["type"] == "http" and (prefix := self._believe(scope) or self.root_path):
            if not _is_kept(scope, prefix):
                scope["path"] = prefix + scope["path"]
            elif scope["path"] == prefix:
                app = RedirectResponse(f"{prefix}/")  # names no host, which a proxy may have changed
            scope["root_path"] = prefix
        await app(scope, receive, send)

    def _believe(self, scope: Scope) -> str:
        """Take over what a trusted proxy says, and return its prefix if no setting overrules it."""
        client = (scope.get("client") or ("",))[0]
        if not self._trusts(client):
            return ""
        headers = Headers(scope=scope)
        for hop in reversed(_said(headers, "for")):
            if not self._trusts(client) or (address := _address(hop)) is None:
                break
            client = str(address)
        scope["client"] = (client, 0)
        if (scheme := _said(headers, "proto")[-1].lower()) in {"http", "https"}:
            scope["scheme"] = scheme
        host, port = _said(headers, "host")[-1], _said(headers, "port")[-1]
        if port.isdigit() and (host := host or headers.get("host", "")) and host == without_port(host):
            host = f"{host}:{port}"
        scope[FORWARDED_HOST] = host
        prefix = "".join(headers.getlist("x-forwarded-prefix")[-1:])  # some proxies add theirs to a client's
        return prefix if not self.root_path and PREFIX.fullmatch(prefix) else ""

    def _trusts(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in network for network in self.trusted)


def _said(headers: Headers, what: str) -> list[str]:
    """Return what the proxies on the way say, the nearest one last; where none does, one empty word.

    A proxy that sets one kind of header passes on what a client made up in the other: if they differ, it is
    not known which is true, and neither is believed.
    """
    usual = [each.strip() for each in ",".join(headers.getlist(f"x-forwarded-{what}")).split(",")]
    standard = [
        (quoted or plain).strip()
        for name, quoted, plain in FORWARDED.findall(",".join(headers.getlist("forwarded")))
        if name.lower() == what
    ]
    if not standard or usual == [""]:
        return standard or usual
    return usual if _same(usual[-1], standard[-1]) else [""]


def _same(one: str, other: str) -> bool:
    return (_address(one) or one.lower()) == (_address(other) or other.lower())


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address as proxies write it, some with a port; IPv4 in IPv6 is IPv4."""
    try:
        address = ipaddress.ip_address(without_port(bracketed(host.strip())).strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_kept(scope: Scope, prefix: str) -> bool:
    """Whether the path begins with the prefix, and is no path of the service without it (`/api`, `/mcp`)."""
    whole = {**scope, "root_path": ""}
    return f"{scope['path']}/".startswith(f"{prefix}/") and all(
        route.matches(whole)[0] is Match.NONE for route in scope["app"].router.routes
    )
