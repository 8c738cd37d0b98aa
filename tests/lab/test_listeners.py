"""The lab listens on loopback only, and says what it cannot do."""

import socket
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.lab.listeners import _has_default_route, listen
from scanner.lab.server import Lab, LabSettings
from tests.support.lab_clients import quit_politely, running

ANYWHERE = "0.0.0.0"  # noqa: S104 - what is tested is that it is kept to loopback


def refusal(**settings: object) -> str:
    """The one line with which a lab refuses these settings."""
    with pytest.raises(InputError) as raised:
        Lab(LabSettings(**settings))  # type: ignore[arg-type]  # the tests below pass values of the right types
    return str(raised.value)


@pytest.mark.parametrize("address", [ANYWHERE, "127.0.0.1"])
def test_a_listener_is_kept_to_the_loopback_device(address: str) -> None:
    [sock] = listen((address,), 0, in_namespace=False)
    with sock:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "255.255.255.255"])
def test_an_address_beyond_loopback_is_refused(address: str) -> None:
    assert (
        refusal(port=0, bind=(address,)) == f"lab: --bind {address}: only loopback addresses, 0.0.0.0 and :: are served"
    )


def test_what_is_no_address_is_refused() -> None:
    assert refusal(port=0, bind=("localhost",)) == "lab: --bind localhost: not an IP address"


def test_a_port_in_use_is_named_and_nothing_stays_open(dense: Lab) -> None:
    free = Lab(LabSettings(port=0, bind=("127.0.0.9",)))
    free.close()

    assert refusal(port=dense.port) == (
        f"lab: cannot listen on 0.0.0.0 port {dense.port}: it is in use: choose another --port, 0 for any"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 65_536}, "lab: --port 65536: must be 0 to 65535"),
        ({"port": -1}, "lab: --port -1: must be 0 to 65535"),
        ({"time_scale": -1.0}, "lab: --time-scale -1: must be 0 or more"),
        ({"time_scale": float("nan")}, "lab: --time-scale nan: must be 0 or more"),
        ({"profile": "none"}, "lab: profile 'none' is unknown: use dense, mixed, slow, hostile"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(settings: dict[str, object], message: str) -> None:
    assert refusal(**settings) == message


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_ipv6_and_ipv4_share_a_port() -> None:
    with running(LabSettings(port=0, bind=(ANYWHERE, "::1"), profile="dense", count_visits=True)) as lab:
        assert quit_politely(lab, "::1").startswith(b"220")
        assert quit_politely(lab, "127.0.0.2").startswith(b"220")
        assert lab.statistics.as_dict()["visits"] == {"::1": 1, "127.0.0.2": 1}


NO_ROUTES = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
LOCAL_6 = "0" * 32 + " 00 " + "0" * 32 + " 00 " + "0" * 32 + " ffffffff 00000001 00000000 00200200 lo\n"


@pytest.mark.parametrize(
    ("route", "ipv6_route", "has_way_out"),
    [
        (NO_ROUTES, None, False),
        (NO_ROUTES + "veth 0000C70A 0200C70A 0003 0 0 0 0000FFFF 0 0 0\n", LOCAL_6, False),
        (NO_ROUTES + "eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0\n", None, True),
        (NO_ROUTES, LOCAL_6.replace(" lo", " eth0"), True),
    ],
)
def test_a_default_route_of_either_family_is_a_way_out(
    tmp_path: Path, route: str, ipv6_route: str | None, has_way_out: bool
) -> None:
    Path(tmp_path, "route").write_text(route)
    if ipv6_route is not None:
        Path(tmp_path, "ipv6_route").write_text(ipv6_route)

    assert _has_default_route(tmp_path) is has_way_out


# --- as a program --------------------------------------------------------------------------------------------
