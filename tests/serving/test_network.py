"""The environment's proxies and certificates: used, or named where they are wrong."""

import ssl
from pathlib import Path

import pytest

from serving.errors import CodedError
from serving.network import failure, proxy_for, refusal

REMOTE = "https://api.example.com/v1"
VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        for spelt in (name, name.upper()):
            monkeypatch.delenv(spelt, raising=False)


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("127.0.0.1:7890", "http://127.0.0.1:7890"),
        ('"http://proxy:3128" ', "http://proxy:3128"),
        ("socks5://127.0.0.1:7890", "socks5://127.0.0.1:7890"),
        ("socks5h://127.0.0.1:7890", "socks5h://127.0.0.1:7890"),
        ("socks://127.0.0.1:7890/", "socks5://127.0.0.1:7890/"),
        ("SOCKS5://me:pw@127.0.0.1:7890", "socks5://me:pw@127.0.0.1:7890"),
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"])
def test_a_proxy_is_taken_as_it_is_meant(
    variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    proxy = proxy_for(REMOTE)
    assert proxy is not None
    assert proxy.url == url
    assert "pw" not in proxy.shown


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8083/mcp", "http://localhost:1", "http://[::1]:1", "https://x.localhost"]
)
def test_this_machine_is_never_behind_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "nonsense://")
    assert proxy_for(url) is None


def test_hosts_that_need_none_get_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    monkeypatch.setenv("NO_PROXY", "example.com")
    assert proxy_for(REMOTE) is None
    assert proxy_for("https://other.org") is not None


@pytest.mark.parametrize(
    ("listed", "host"),
    [
        ("*.example.com", "api.example.com"),
        ("a.org, api.example.com", "api.example.com"),
        ("a.org;api.example.com", "api.example.com"),
        ("api.example.com:443", "api.example.com"),
        ("10.0.0.0/8", "10.1.2.3"),
        ("2001:db8::/32", "[2001:db8::1]"),
        ("2001:db8::1", "[2001:db8::1]"),
        ("*", "api.example.com"),
    ],
)
def test_hosts_that_need_none_are_read_as_curl_and_go_read_them(
    listed: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    assert proxy_for(f"https://{host}/v1") is not None
    monkeypatch.setenv("NO_PROXY", listed)
    assert proxy_for(f"https://{host}/v1") is None
    for other in ("other.org", "11.1.2.3", "[2001:db9::1]"):
        assert (proxy_for(f"https://{other}/v1") is None) == (listed == "*")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("407 Proxy Authentication Required", "proxy_unauthorized"),
        ("Invalid username/password", "proxy_unauthorized"),
        ("Requested NO AUTHENTICATION REQUIRED from proxy server, but got NO ACCEPTABLE METHODS.",
         "proxy_unauthorized"),
        ("403 Forbidden", "proxy_refused"),
        ("Proxy Server could not connect: Host unreachable.", "proxy_refused"),
        ("All connection attempts failed", "proxy_failed"),
    ],
)  # fmt: skip
def test_what_a_proxy_says_is_told(said: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy:1")
    told = failure(OSError(said), REMOTE)
    assert told is not None
    assert (told.code, told.params["variable"], told.params["proxy"]) == (code, "HTTPS_PROXY", "proxy:1")
    assert told.params.get("said", said) == said


@pytest.mark.parametrize(
    ("status", "url", "code"),
    [
        (407, "http://model.example/v1", "proxy_unauthorized"),
        (502, "http://model.example/v1", "proxy_refused"),
        (403, "http://model.example/v1", None),
        (502, "https://model.example/v1", None),
        (502, "http://127.0.0.1/v1", None),
    ],
)
def test_a_status_over_plain_http_may_be_the_proxys(
    status: int, url: str, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:1")
    told = refusal(status, url)
    assert (told.code if told else None) == code


@pytest.mark.parametrize(
    "value",
    [
        *("ftp://proxy:1", "http://", "http://proxy:port", "http://[", "：//", "socks9://x:1"),
        *("7890", "http//127.0.0.1:7890", "http:/127.0.0.1:7890", "http://7890"),
    ],
)
def test_a_wrong_proxy_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(CodedError) as caught:
        proxy_for(REMOTE)
    assert (caught.value.code, caught.value.params) == ("proxy_wrong", {"variable": "HTTPS_PROXY"})


def test_certificates_that_are_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = OSError("connect")
    error.__cause__ = ssl.SSLCertVerificationError(1, "unable to get local issuer certificate")
    told = failure(error, REMOTE)
    assert told is not None
    assert told.code == "tls_untrusted"
    (tmp_path / "bad.pem").write_text("no certificate")
    for name in ("none.pem", "bad.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        told = failure(error, REMOTE)
        assert told is not None
        assert (told.code, told.params["variable"]) == ("certificates_missing", "SSL_CERT_FILE")


def test_without_a_proxy_nothing_of_the_environment_is_to_blame() -> None:
    assert failure(OSError("connect"), REMOTE) is None
