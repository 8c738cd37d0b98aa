"""The names of a server are looked up beside the sweep: bounded, each with a deadline, and a fault is a fact."""

import asyncio
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Any, Self, cast

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
import uvloop

from scanner.errors import InputError
from scanner.model import Certificate, Dialogue, Names, Record, Tls
from scanner.smtp import parse_banner
from scanner.sweeps.reverse_dns import MAX_PTR, NameStage, Resolver, is_made_out_to, names_of, system_resolver
from tests.support.records import record_of
from tests.support.waiting import eventually


class Target:
    def __init__(self, name: str) -> None:
        self._name = name

    def to_text(self, *, omit_final_dot: bool) -> str:
        assert omit_final_dot
        return self._name


class Answer:
    """An answer as dnspython gives it: with a target (PTR) or an address."""

    def __init__(self, text: str) -> None:
        self.target = Target(text)
        self.address = text


Entry = list[str] | type[Exception] | asyncio.Event


class Zone:
    """A resolver that answers from a table; an exception in the table is raised, an event waited for."""

    def __init__(self) -> None:
        self.table: dict[str, Entry] = {}
        self.asked: list[str] = []
        self.under_way = self.most_under_way = 0

    def with_entry(self, question: str, answer: Entry) -> Self:
        self.table[question] = answer
        return self

    def resolve(self, qname: str, rdtype: str, *, search: bool, lifetime: float) -> Awaitable[Iterable[Any]]:
        assert not search
        assert lifetime > 60  # the stage has a limit of its own
        return self._answer(f"{rdtype} {qname}")

    def resolve_address(self, ipaddr: str, *, lifetime: float) -> Awaitable[Iterable[Any]]:
        assert lifetime > 60  # the stage has a limit of its own
        return self._answer(f"PTR {ipaddr}")

    async def _answer(self, question: str) -> Iterable[Any]:
        self.asked.append(question)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            answer = self.table.get(question, dns.resolver.NXDOMAIN)
            if isinstance(answer, type):
                raise answer
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                return []
            return [Answer(text) for text in answer]
        finally:
            self.under_way -= 1


IP = "192.0.2.10"


def record(greeting: bytes = b"220 mx.example.com ESMTP\r\n", **changes: Any) -> Record:
    return record_of(parse_banner(greeting), **{"ip": IP, **changes})


def zone() -> Zone:
    return Zone().with_entry(f"PTR {IP}", ["mx.example.com"]).with_entry("A mx.example.com.", [IP])


def spoken(*names: str, **changes: Any) -> Dialogue:
    return Dialogue(tls=Tls(certificates=(Certificate("ab" * 32, names=names, **changes),)))


async def test_three_names_that_fit_together() -> None:
    names = await names_of(record(dialogue=spoken("MX.example.com")), zone())

    assert names == Names("mx.example.com", ("mx.example.com",), True, True, True, None)


async def test_every_mismatch_is_its_own_fact() -> None:
    table = zone().with_entry(f"PTR {IP}", ["host-10.isp.example"]).with_entry("A mx.example.com.", ["192.0.2.99"])
    names = await names_of(record(dialogue=spoken("other.example.com")), table)

    assert names == Names("mx.example.com", ("host-10.isp.example",), False, False, False, None)


async def test_what_is_not_there_cannot_be_told() -> None:
    assert await names_of(record(b"220 [192.0.2.10] ESMTP\r\n"), Zone()) == Names("[192.0.2.10]")
    assert await names_of(record(b"220 localhost ESMTP\r\n", dialogue=spoken("a")), Zone()) == Names("localhost")
    assert await names_of(record(b"220\r\n"), Zone()) == Names()
    assert await names_of(record_of(None, ip=IP), Zone()) == Names()
    assert await names_of(record(ip=None), Zone()) == Names("mx.example.com")
    unreadable = spoken("mx.example.com", error="ValueError")
    assert (await names_of(record(dialogue=unreadable), zone())).certificate_matches is None
    assert (await names_of(record(dialogue=Dialogue(tls=Tls())), zone())).certificate_matches is None


async def test_one_of_several_names_that_leads_back_is_enough_and_the_last_are_not_asked() -> None:
    table = zone().with_entry(f"PTR {IP}", ["a.example", "b.example", "c.example"])
    table.with_entry("A a.example.", dns.exception.Timeout).with_entry("A b.example.", [IP])

    names = await names_of(record(), table)

    assert (names.forward_confirmed, names.error) == (True, "no answer for A")
    assert "A c.example." not in table.asked


async def test_a_type_without_an_answer_is_named_once() -> None:
    table = zone().with_entry(f"PTR {IP}", ["a.example", "b.example"])
    table.with_entry("A a.example.", dns.exception.Timeout).with_entry("A b.example.", dns.exception.Timeout)

    names = await names_of(record(), table)

    assert (names.forward_confirmed, names.greeting_confirmed, names.error) == (None, True, "no answer for A")


async def test_an_address_with_endless_names_is_asked_about_a_few() -> None:
    table = zone().with_entry(f"PTR {IP}", [f"n{n}.example" for n in range(1000)])

    names = await names_of(record(), table)

    assert len(names.ptr) == MAX_PTR
    assert len(table.asked) == 1 + MAX_PTR + 1


async def test_ipv6_addresses_are_asked_for_with_their_own_type() -> None:
    table = Zone().with_entry("PTR 2001:db8::1", ["mx.example.com"]).with_entry("AAAA mx.example.com.", ["2001:db8::1"])

    names = await names_of(record(ip="2001:db8::1"), table)

    assert (names.forward_confirmed, names.greeting_confirmed) == (True, True)


@pytest.mark.parametrize("problem", [dns.exception.Timeout, dns.resolver.NoNameservers, OSError, ValueError])
async def test_a_name_server_that_fails_is_no_answer(problem: type[Exception]) -> None:
    table = Zone().with_entry(f"PTR {IP}", problem).with_entry("A mx.example.com.", problem)

    assert await names_of(record(), table) == Names("mx.example.com", error="no answer for PTR, A")


async def test_a_name_without_addresses_leads_nowhere() -> None:
    table = zone().with_entry("A mx.example.com.", dns.resolver.NoAnswer)

    assert (await names_of(record(), table)).greeting_confirmed is False


async def test_all_names_of_a_record_have_one_deadline() -> None:
    table = Zone().with_entry(f"PTR {IP}", asyncio.Event()).with_entry("A mx.example.com.", asyncio.Event())

    names = await names_of(record(), table, 0.02)

    assert names == Names("mx.example.com", error="no answer for PTR, A")


async def test_what_dns_answers_is_escaped_and_a_hostile_greeting_is_not_asked_for() -> None:
    table = Zone().with_entry(f"PTR {IP}", ["evil\\027[2J.example"])

    names = await names_of(record(b"220 a..b-" + b"x" * 300 + b".example ESMTP\r\n"), table)

    assert names.ptr == ("evil\\\\027[2J.example",)
    assert [question for question in table.asked if question.startswith("A a")] == []


@pytest.mark.parametrize(
    ("names", "matches"),
    [
        (("mx.example.com",), True),
        (("MX.Example.COM.",), True),
        (("other.example", "*.example.com"), True),
        (("*.com",), False),
        (("*.mx.example.com",), False),
        (("example.com",), False),
        (("m*.example.com",), False),
        (("*",), False),
        ((), False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(names: tuple[str, ...], matches: bool) -> None:
    assert is_made_out_to(Certificate("ab" * 32, names=names), "mx.example.com") is matches


async def finished(stage: NameStage) -> None:
    stage.finish()
    async with asyncio.timeout(10):
        await stage.run()


async def test_records_are_passed_on_with_their_names_a_bounded_number_at_a_time() -> None:
    table, passed = zone(), dict[int, Record]()
    stage = NameStage(table, passed.__setitem__, at_once=3)
    for position in range(50):
        stage.put(position, record(sample=position))
    assert repr(stage) == "<NameStage: 50 waiting, 0 under way>"

    await finished(stage)

    assert sorted(passed) == list(range(50))
    assert {position: each.sample for position, each in passed.items()} == {n: n for n in range(50)}
    assert all(each.names == Names("mx.example.com", ("mx.example.com",), True, True) for each in passed.values())
    assert table.most_under_way == 3
    assert repr(stage) == "<NameStage: 0 waiting, 0 under way>"


async def test_records_that_come_while_it_runs_are_looked_up_too() -> None:
    passed: list[int] = []
    stage = NameStage(zone(), lambda position, _: passed.append(position))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(stage.run())
        for position in range(5):
            stage.put(position, record())
            await eventually(partial(passed.count, position))
        stage.finish()

    assert passed == [0, 1, 2, 3, 4]


async def test_there_is_no_room_when_many_wait_and_it_is_said_when_there_is_again() -> None:
    said: list[int] = []
    passed: list[int] = []
    stage = NameStage(
        zone(),
        lambda position, _: passed.append(position),
        on_room=lambda: said.append(len(passed)),
        at_once=1,
        max_waiting=4,
    )
    rooms = []
    for position in range(6):
        stage.put(position, record())
        rooms.append(stage.room)

    await finished(stage)

    assert rooms == [3, 2, 1, 0, 0, 0]
    assert said == [4]  # six came, four are passed on, two wait: half of the room is free
    assert len(passed) == 6


async def test_in_a_hurry_what_waits_is_passed_on_without_a_question() -> None:
    table, passed = zone(), list[Record]()
    stage = NameStage(table, lambda _, each: passed.append(each))
    for position in range(3):
        stage.put(position, record())
    stage.hurry()

    await finished(stage)

    assert [each.names for each in passed] == [Names(error="not looked up: the sweep was stopped")] * 3
    assert table.asked == []


@pytest.mark.parametrize("started", [False, True])
async def test_an_abort_ends_it_at_once_with_nothing_passed_on(started: bool) -> None:
    passed: list[int] = []
    table = Zone().with_entry(f"PTR {IP}", asyncio.Event())
    stage = NameStage(table, lambda position, _: passed.append(position))
    stage.put(0, record())
    async with asyncio.timeout(4), asyncio.TaskGroup() as group:
        if not started:
            stage.abort()
        running = group.create_task(stage.run())
        if started:
            await eventually(lambda: table.asked)
            stage.abort()
        await running

    assert passed == []


async def test_what_was_aborted_before_it_began_passes_nothing_on() -> None:
    passed: list[int] = []
    stage = NameStage(zone(), lambda position, _: passed.append(position))
    stage.put(0, record())
    stage.abort()

    await finished(stage)

    assert passed == []


async def test_a_failure_of_the_next_stage_is_not_swallowed() -> None:
    def fails(position: int, each: Record) -> None:
        raise TimeoutError("of another kind")

    stage = NameStage(zone(), fails)
    stage.put(0, record())

    with pytest.raises(ExceptionGroup):
        await finished(stage)


class NameServer(asyncio.DatagramProtocol):
    """A name server with one host, on loopback."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)  # asyncio's own is no subclass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        question = query.question[0].name.to_text()
        entries = {"mx.example.com.": ("A", IP), "10.2.0.192.in-addr.arpa.": ("PTR", "mx.example.com.")}
        if question in entries:
            kind, value = entries[question]
            response.answer.append(dns.rrset.from_text(question, 60, "IN", kind, value))
        else:
            response.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(response.to_wire(), addr)


async def ask_a_real_one() -> tuple[Names, Names]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = transport.get_extra_info("sockname")[1]
        return await names_of(record(), resolver), await names_of(record(ip="192.0.2.11"), resolver)
    finally:
        transport.close()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_real_name_server_is_asked_in_both_event_loops(run: Any) -> None:
    known, unknown = run(ask_a_real_one())

    assert known == Names("mx.example.com", ("mx.example.com",), True, True)
    assert unknown == Names("mx.example.com", (), None, False)


def test_without_a_name_server_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_configured() -> Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver, "Resolver", none_configured)
    with pytest.raises(InputError, match="--dns: this machine has no name server"):
        system_resolver()

    monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: dns.resolver.Resolver(configure=False))
    with pytest.raises(InputError, match="--dns: this machine has no name server"):
        system_resolver()


def test_the_resolver_of_the_machine_keeps_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: made)

    assert system_resolver() is made
    assert isinstance(made.cache, dns.resolver.LRUCache)
