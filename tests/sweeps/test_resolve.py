"""Claims about `scanner.sweeps.resolve`: the real DNS client against a server of the tests', and names from a table."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import dns.asyncresolver
import pytest

from scanner.errors import InputError
from scanner.sweeps import resolve as resolve_module
from scanner.sweeps.resolve import Found, look_up, look_up_each, resolve
from tests.support.name_server import answering

ZONE = {
    "example.com.": ["20 backup.example.com.", "5 MX1.example.com.", "10 mx2.example.com."],
    "same.example.": ["10 mx1.example.com."],
    "bare.example.": [],
    "null.example.": ["0 ."],
    "gone.example.": ["10 gone.example.com."],
    "hex.example.": ["10 0x7F000001."],
    "short.example.": ["10 127.1."],
    "odd.example.": [r"10 \000\001" + r"\002" * 38 + ".example.com."],
}
HOSTS = {
    "mx1.example.com": ["192.0.2.1", "2001:db8::1"],
    "mx2.example.com": ["192.0.2.2"],
    "backup.example.com": ["192.0.2.3"],
    "bare.example": ["192.0.2.4"],
    "www.example.com": ["192.0.2.5", "192.0.2.5", "192.0.2.6"],
    "empty.example.com": [],
}
COMMAND_LINE = "command line"


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer for host names from a table; nothing leaves this machine."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> list[Any]:
        if host in {"localhost", "127.0.0.1"}:
            return real(host, *args, **kwargs)
        host.encode("idna")  # as the real one does
        if host not in HOSTS:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in HOSTS[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture
def dns_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with answering(ZONE) as resolver:
        monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
        yield


async def found(*names: str, mail: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    places = dict.fromkeys(names, "list.txt:3")
    return await resolve(places, dict.fromkeys(mail, COMMAND_LINE))


async def complaint(*names: str, mail: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        await found(*names, mail=mail)
    message = str(caught.value)
    assert message.splitlines() == [message]
    return message


async def test_nothing_to_resolve_is_nothing_found() -> None:
    assert await found() == {}


async def test_localhost_has_its_loopback_addresses() -> None:
    addresses = (await found("localhost"))["localhost"]

    assert "127.0.0.1" in addresses
    assert set(addresses) <= {"127.0.0.1", "::1"}


async def test_all_addresses_of_a_name_are_found_once_and_in_order() -> None:
    assert await found("www.example.com", "mx1.example.com") == {
        "www.example.com": ("192.0.2.5", "192.0.2.6"),
        "mx1.example.com": ("192.0.2.1", "2001:db8::1"),
    }


@pytest.mark.usefixtures("dns_server")
async def test_the_mail_hosts_of_a_domain_come_best_preference_first() -> None:
    hosts: Mapping[str, tuple[str, ...]] = await found(mail=("example.com",))

    assert list(hosts.items()) == [
        ("mx1.example.com", ("192.0.2.1", "2001:db8::1")),
        ("mx2.example.com", ("192.0.2.2",)),
        ("backup.example.com", ("192.0.2.3",)),
    ]


@pytest.mark.usefixtures("dns_server")
async def test_a_domain_without_mx_is_its_own_mail_host() -> None:
    assert await found(mail=("bare.example",)) == {"bare.example": ("192.0.2.4",)}


@pytest.mark.usefixtures("dns_server")
async def test_a_host_that_is_named_twice_is_looked_up_once_and_keeps_its_place() -> None:
    hosts = await found("mx1.example.com", mail=("example.com", "same.example"))

    assert list(hosts) == ["mx1.example.com", "mx2.example.com", "backup.example.com"]


@pytest.mark.usefixtures("dns_server")
@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("null.example", "the domain accepts no mail (null MX, RFC 7505)"),
        ("no.example", "The DNS query name does not exist: no.example."),
    ],
)
async def test_a_domain_without_mail_hosts_is_an_error_with_its_place(domain: str, message: str) -> None:
    assert await complaint(mail=(domain,)) == f"command line: 'mx:{domain}' cannot be resolved: {message}"


@pytest.mark.usefixtures("dns_server")
@pytest.mark.parametrize(("domain", "host"), [("hex.example", "0x7F000001"), ("short.example", "127.1")])
async def test_a_mail_host_that_the_c_library_would_take_for_an_address_is_not_looked_up(
    domain: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HOSTS, host.lower(), ["127.0.0.1"])  # as getaddrinfo has it

    assert await complaint(mail=(domain,)) == (
        f"command line: 'mx:{domain}' cannot be resolved: its mail host '{host}' is not a name: "
        "a name does not end in a number"
    )


@pytest.mark.usefixtures("dns_server")
async def test_a_mail_host_without_address_is_an_error_at_the_place_of_its_domain() -> None:
    assert await complaint(mail=("gone.example",)) == (
        "command line: 'gone.example.com' cannot be resolved: Name or service not known"
    )


@pytest.mark.usefixtures("dns_server")
async def test_a_mail_host_that_cannot_be_a_name_is_an_error_and_not_a_bug() -> None:
    message = await complaint(mail=("odd.example",))

    assert message.startswith(r"command line: '\\000\\001\\002")
    assert "cannot be resolved: " in message


async def test_a_name_without_address_is_an_error() -> None:
    assert await complaint("empty.example.com") == "list.txt:3: 'empty.example.com' has no address"


async def test_all_unknown_names_are_told_in_one_line() -> None:
    reason = "cannot be resolved: Name or service not known"

    assert await complaint("no1.example.com", "www.example.com", "no2.example.com") == (
        f"list.txt:3: 'no1.example.com' {reason}; list.txt:3: 'no2.example.com' {reason}"
    )


async def test_of_many_unknown_names_a_bounded_number_is_told() -> None:
    message = await complaint(*(f"no{i}.example.com" for i in range(1234)))

    assert message.count("cannot be resolved") == 20
    assert message.endswith("; and 1,214 more")


async def test_those_that_are_found_do_not_depend_on_those_that_are_not() -> None:
    found = await look_up({"no.example.com": "a.txt:1", "www.example.com": "a.txt:2"}, {})

    assert found.addresses == {"www.example.com": ("192.0.2.5", "192.0.2.6")}
    assert list(found.failed) == ["no.example.com"]
    assert found.failed["no.example.com"].where == "a.txt:1"


@pytest.mark.usefixtures("dns_server")
async def test_a_mail_host_that_fails_leaves_the_others_of_its_domain() -> None:
    found = await look_up({}, {"example.com": "a.txt:1", "gone.example": "a.txt:2", "null.example": "a.txt:3"})

    assert list(found.addresses) == ["mx1.example.com", "mx2.example.com", "backup.example.com"]
    assert {name: failed.where for name, failed in found.failed.items()} == {
        "mx:null.example": "a.txt:3",
        "gone.example.com": "a.txt:2",
    }


async def test_what_is_known_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(name: str) -> list[str]:
        raise AssertionError(name)

    monkeypatch.setattr(resolve_module, "_addresses", never)
    monkeypatch.setattr(resolve_module, "_mail_hosts", never)
    known = Found({"a.example": ("192.0.2.1",), "b.example": ("192.0.2.2",)}, {"c.example": ("b.example",)})

    assert await look_up({"a.example": 1}, {"c.example": 2}, known) == known
    assert await look_up({"a.example": 1}, {}, known) == Found({"a.example": ("192.0.2.1",)})


@pytest.mark.parametrize(
    ("address", "reason"),
    [("fe80::1%lo", "zones cannot be used"), ("::ffff:192.0.2.1", "an IPv4-mapped address reaches an IPv4 host")],
)
async def test_a_name_of_an_address_that_cannot_be_a_target_is_not_resolved(
    monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setitem(HOSTS, "odd.example.com", [address])

    assert reason in await complaint("odd.example.com")


async def test_a_dns_that_is_gone_is_asked_for_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "_AT_ONCE", 2)
    monkeypatch.setattr(resolve_module, "_GIVE_UP_AFTER", 4)
    asked = []

    async def look(name: str) -> list[str]:
        asked.append(name)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(resolve_module, "_addresses", look)
    found = await look_up({f"host{i}.example.com": "list.txt" for i in range(100)}, {})

    assert 4 <= len(asked) <= 6
    assert len(found.failed) == 100
    assert found.failed["host99.example.com"].reason.startswith("was not looked up: DNS did not answer for ")


async def test_an_answer_that_comes_after_the_end_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "_TIME_OUT_S", 0.01)
    late = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: late.wait(10) and [])

    message = await complaint("slow.example.com")
    late.set()

    assert message == "list.txt:3: 'slow.example.com' cannot be resolved: no answer from DNS in 0.01 s"


async def test_a_server_that_does_not_answer_is_waited_for_as_long_as_a_name_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not as long as the DNS client would: its clock goes on while this process is suspended."""
    monkeypatch.setattr(resolve_module, "_TIME_OUT_S", 0.2)
    with answering(ZONE, lifetime_s=0.1) as resolver:
        monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
        message = await complaint(mail=("silent.example",))

    assert message == "command line: 'mx:silent.example' cannot be resolved: no answer from DNS in 0.2 s"


async def test_a_name_has_its_own_limit_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "_TIME_OUT_S", 0.1)
    with answering(ZONE) as resolver:
        monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
        message = await complaint(mail=("silent.example",))

    assert message == "command line: 'mx:silent.example' cannot be resolved: no answer from DNS in 0.1 s"


async def test_a_bounded_number_of_look_ups_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve_module, "_AT_ONCE", 3)
    under_way, most, names = 0, 0, [f"host{i}.example.com" for i in range(10)]

    async def ask(name: str) -> list[str]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            await asyncio.sleep(0)
        under_way -= 1
        return [name]

    found, failed = await look_up_each(dict.fromkeys(names, COMMAND_LINE), ask, {})
    assert (found, failed) == ({name: (name,) for name in names}, {})
    assert most == 3


async def test_a_bug_is_not_taken_for_a_name_that_cannot_be_resolved() -> None:
    async def ask(name: str) -> list[str]:
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await look_up_each({"a.example.com": COMMAND_LINE}, ask, {})

    assert caught.value.subgroup(ZeroDivisionError) is not None
