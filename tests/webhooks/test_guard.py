"""Which URLs and addresses webhooks may reach."""

import ipaddress
import socket

import pytest

from accounts.errors import Invalid
from webhooks.guard import Rules, Target, checked, is_allowed, parse_url
from webhooks.sending import SendingFailed, post

REFUSED = [
    "127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1",
    "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1",
    "2002:7f00:1::", "2001:0:7f00:1::",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_allowed(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address))


def test_a_listed_network_is_allowed_and_no_other() -> None:
    networks = [ipaddress.ip_network("10.1.0.0/16")]
    assert is_allowed(ipaddress.ip_address("10.1.2.3"), networks)
    assert is_allowed(ipaddress.ip_address("::ffff:10.1.2.3"), networks)
    assert not is_allowed(ipaddress.ip_address("10.2.2.3"), networks)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "//example.org/",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org:22/",
        "https://example.org:x/",
        "https://exa mple.org/",
        "https://example.org/\r\nX: y",
        "https://example.org/é",
        "javascript:alert(1)",
        "https://[::1",
        f"https://example.org/{'a' * 500}",
    ],
)
def test_a_url_that_is_none_of_ours_is_refused(url: str) -> None:
    with pytest.raises(Invalid):
        parse_url(url, Rules())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "127.1", "0177.0.0.1", "[::1]", "[::ffff:7f00:1]"],
)
def test_other_ways_to_write_loopback_are_seen_through(host: str) -> None:
    with pytest.raises(Invalid):
        checked(f"http://{host}/", Rules())


def test_the_sender_connects_to_the_checked_address_and_not_to_the_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        target = Target(scheme="http", host="rebound.invalid", port=port, path="/", addresses=("127.0.0.1",))
        with pytest.raises(SendingFailed, match=r"in time|broke off"):
            post(target, b"{}", {}, seconds=0.3)
        connected, _ = server.accept()
        with connected:
            assert b"Host: rebound.invalid" in connected.recv(1000)
