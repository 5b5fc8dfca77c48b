"""Which names and addresses are this machine."""

import pytest

from serving.addresses import address_shown, is_loopback, is_own_name


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "shop.localhost", "127.0.0.1", "127.8.9.1", "::1"]
)
def test_this_machine_is_known_by_all_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "0.0.0.0", "::", "192.168.1.2", "localhost.evil.example", "127.0.0.1.evil.example", "2130706433"],
)
def test_no_other_name_is_taken_for_this_machine(host: str) -> None:
    assert not is_loopback(host)
    assert not is_own_name(f"{host}:8000")


@pytest.mark.parametrize("header", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"])
def test_a_host_header_may_name_a_port(header: str) -> None:
    assert is_own_name(header)


@pytest.mark.parametrize(
    "header",
    [
        *("[::1", "[", "evil.example#localhost", "evil.example/localhost", "a@b@evil.example"),
        *("localhost:80, evil.example", "localhost, evil.example", "evil@localhost", "localhost/evil"),
        *("localhost?evil", "localhost#evil", "localhost:evil", "localhost ", "[::1]evil"),
    ],
)
def test_a_host_header_that_is_none_names_another_machine(header: str) -> None:
    assert not is_own_name(header)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://localhost:8"),
        ("0.0.0.0", "http://localhost:8"),
        ("::1", "http://localhost:8"),
        ("127.0.0.2", "http://127.0.0.2:8"),
        ("fd00::1", "http://[fd00::1]:8"),
        ("shop.lan", "http://shop.lan:8"),
    ],
)
def test_an_address_is_shown_as_a_browser_wants_it(host: str, shown: str) -> None:
    assert address_shown(host, 8) == shown
