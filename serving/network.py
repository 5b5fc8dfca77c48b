"""How remote hosts are reached: through the proxy and with the certificates that the environment names.

What it names wrongly keeps no service from starting: it is told, by the variable's name, where it strikes.
"""

import ipaddress
import os
import re
import ssl
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass

from serving.addresses import is_loopback
from serving.errors import CodedError

SCHEMES = {"http": "http", "https": "https", "socks5": "socks5", "socks5h": "socks5h", "socks": "socks5"}
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
NETWORK = {  # the sentences of this room's codes
    "proxy_wrong": "环境变量 {variable} 不是可用的代理地址，请改正或去掉它",
    "proxy_failed": (
        "经过环境变量 {variable} 的代理 {proxy} 连不上 {host}，请检查代理是否在运行，或去掉这个变量"
    ),
    "proxy_refused": "环境变量 {variable} 的代理 {proxy} 没有接通 {host}：{said}",
    "proxy_unauthorized": (
        "环境变量 {variable} 的代理 {proxy} 要用户名和密码，或不接受现在的："
        "请写成 http://用户名:密码@主机:端口，其中的特殊字符写成 %40 这样"
    ),
    "certificates_missing": "环境变量 {variable} 没有指向可用的证书：{path}，请改正或去掉它",
    "tls_untrusted": "与 {host} 的 TLS 连接失败（{reason}），请检查证书；公司网络可用 SSL_CERT_FILE 指定证书",
}


# What a proxy answers to CONNECT, and what SOCKS says, in the words of httpcore.
_WANTS_USER = re.compile(r"407\b|.*(username/password|NO ACCEPTABLE METHODS)", re.IGNORECASE)
_REFUSED = re.compile(r"[3-5]\d\d\b.*|Proxy Server could not connect: .*")
_UNREACHED = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


@dataclass(frozen=True)
class Proxy:
    """A proxy of the environment, and the variable that names it."""

    variable: str
    url: str
    hosts: tuple[str, ...] = ()  # that are reached through it

    @property
    def shown(self) -> str:
        """Its host and port: the rest may hold a password."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    @property
    def address(self) -> tuple[str, int]:
        """Its host and port, apart."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or PORTS[parts.scheme]


def proxies(urls: Iterable[str]) -> list[Proxy | CodedError]:
    """Return each proxy that leads to some of the addresses, and what is wrong with any variable."""
    found: dict[str, Proxy] = {}
    wrong: dict[str, CodedError] = {}
    for scheme in ("http", "https"):
        try:
            _named_for(scheme)
        except CodedError as error:
            wrong[error.params["variable"]] = error
    for url in urls:
        with suppress(CodedError):  # it is told above
            if proxy := proxy_for(url):
                hosts = (*found.get(proxy.variable, proxy).hosts, urlsplit(url).hostname or "")
                found[proxy.variable] = replace(proxy, hosts=hosts)
    return [*wrong.values(), *found.values()]


def certificates_missing() -> CodedError | None:
    """Return what names certificates in the environment where there are none."""
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        path = os.environ.get(variable)
        if path and not _holds_certificates(path):
            return CodedError("certificates_missing", variable=variable, path=path)
    return None


def has_certificates() -> bool:
    """Whether the system has certificates to trust; a small container may have none."""
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    return sys.platform == "win32" or bool(paths.cafile or (folder and any(folder.iterdir())))


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an address; this machine is never behind one. Raises CodedError: `proxy_wrong`."""
    address = urlsplit(url)
    host = address.hostname or ""
    if is_loopback(host) or proxy_bypass(address.netloc.rpartition("@")[2]) or _is_exempt(address):
        return None
    return _named_for(address.scheme)


def _is_exempt(address: SplitResult) -> bool:
    """Whether NO_PROXY names a host as curl and Go read it, beyond what Python does.

    By a network (10.0.0.0/8), with a star (*.example.com), or with the port that its scheme has anyway.
    """
    listed = re.split(r"[\s,;]+", os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "")
    host = address.hostname or ""
    with suppress(ValueError):  # it is a name
        ip = ipaddress.ip_address(host)
        return any(ip in network for network in _networks(listed))
    port = f":{address.port or PORTS.get(address.scheme)}"
    names = [name.removeprefix("*").removeprefix(".").removesuffix(port).lower() for name in listed]
    return any(f".{host}".endswith(f".{name}") for name in names if name)


def _networks(names: Iterable[str]) -> Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for name in names:
        with suppress(ValueError):
            yield ipaddress.ip_network(name.strip("[]"), strict=False)


def _named_for(scheme: str) -> Proxy | None:
    names = [f"{scheme}_proxy", "all_proxy"]
    for variable in (spelt for name in names for spelt in (name, name.upper())):
        value = os.environ.get(variable, "").strip().strip("\"'")
        if not value:
            continue
        how, mark, rest = value.rpartition("://")
        try:
            proxy = Proxy(variable, f"{SCHEMES[how.lower() if mark else 'http']}://{rest}")
            parts = urlsplit(proxy.url)
            host = parts.hostname or ""
            is_host = bool(host) and not host.isdigit()  # a port alone is none
            is_usable = is_host and parts.port != 0 and parts.path in ("", "/")
        except (KeyError, ValueError):
            is_usable = False
        if not is_usable:
            raise CodedError("proxy_wrong", variable=variable)
        return proxy
    return None


def trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted: the system's, or those that the environment names."""
    return ssl.create_default_context()


def _holds_certificates(path: str) -> bool:
    try:
        return Path(path).is_dir() or bool(ssl.create_default_context(cafile=path))
    except OSError:
        return False


def failure(error: BaseException, url: str) -> CodedError | None:
    """Return why a connection failed, if the environment or a certificate is to blame."""
    host = urlsplit(url).hostname or ""
    chain = [error]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    if tls := next((each for each in chain if isinstance(each, ssl.SSLError)), None):
        if missing := certificates_missing():
            return missing
        return CodedError("tls_untrusted", host=host, reason=getattr(tls, "verify_message", "") or str(tls))
    try:
        proxy = proxy_for(url)
    except CodedError as wrong:
        return wrong
    return None if proxy is None else _blamed(proxy, host, [*map(str, chain)])


def refusal(status: int, url: str) -> CodedError | None:
    """Return what a status means that may be a proxy's own: over plain HTTP it answers in a host's place."""
    is_own = status in (HTTPStatus.PROXY_AUTHENTICATION_REQUIRED, *_UNREACHED)
    proxy = proxy_for(url) if is_own and urlsplit(url).scheme == "http" else None
    said = f"{status} {HTTPStatus(status).phrase}" if proxy else ""
    return _blamed(proxy, urlsplit(url).hostname or "", [said]) if proxy else None


def _blamed(proxy: Proxy, host: str, said: Iterable[str]) -> CodedError:
    """Return what a proxy is to blame for, by what was said of it."""
    about = {"variable": proxy.variable, "proxy": proxy.shown, "host": host}
    for words in said:
        if _WANTS_USER.match(words):
            return CodedError("proxy_unauthorized", **about)
        if _REFUSED.fullmatch(words):
            return CodedError("proxy_refused", **about, said=words)
    return CodedError("proxy_failed", **about)
