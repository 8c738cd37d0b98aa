"""Claims about names: what a sweep does without those that lead nowhere, and that DNS cannot change one under way."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner import api
from scanner.delivery import FileSink
from scanner.errors import InputError, StateError
from scanner.files.sealed import seal
from scanner.settings import Settings
from scanner.sweeps import resolve as resolve_module
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, make_plan
from scanner.sweeps.saved_state import Saved
from scanner.sweeps.summary import Summary
from scanner.targets import COMMAND_LINE, TextSource, parse_spec

#: What DNS says now; a test changes it.
Answers = dict[str, list[str]]
NOT_KNOWN = "Name or service not known"


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Answer for names from a table: of hosts their addresses, of `mx:` domains their hosts."""
    table: Answers = {}

    async def addresses(name: str) -> list[str]:
        if name not in table:
            raise socket.gaierror(socket.EAI_NONAME, NOT_KNOWN)
        return table[name]

    async def mail_hosts(domain: str) -> list[str]:
        if f"mx:{domain}" not in table:
            raise LookupError(NOT_KNOWN)
        return table[f"mx:{domain}"]

    monkeypatch.setattr(resolve_module, "_addresses", addresses)
    monkeypatch.setattr(resolve_module, "_mail_hosts", mail_hosts)
    return table


async def plan(*targets: str, exclude: tuple[str, ...] = (), state: Path | None = None, strict: bool = False) -> Plan:
    options = Settings(ports=(1,), rate=0, subnet_rate=0, seed=7, retries=0, all_statuses=True)
    saved = Saved.read(state) if state is not None else None
    known = saved.names if saved is not None else None
    asked, never = (parse_spec([TextSource(COMMAND_LINE, list(texts))]) for texts in (targets, exclude))
    return await make_plan(asked, never, options, known, strict=strict)


async def swept(folder: Path, *targets: str, exclude: tuple[str, ...] = ()) -> Summary:
    state = folder / "state"
    run = Sweep(await plan(*targets, exclude=exclude, state=state), [FileSink(folder / "out")], state=state)
    await run.prepare()
    return await run.run()


def visited(folder: Path) -> set[tuple[str, str]]:
    records = map(orjson.loads, (folder / "out").read_bytes().splitlines())
    return {(record["ip"], record["status"]) for record in records}


def forget_what_is_done(state: Path) -> None:
    """Make of a state at the end one at the beginning, as after a kill."""
    run = Saved.read(state)
    assert run is not None
    head = orjson.loads(state.read_bytes())
    head |= {"progress": {"low_water": 0, "done_above": []}, "counts": {"statuses": {}, "products": {}, "records": 0}}
    del head["crc32"]
    state.write_bytes(seal(orjson.dumps(head)) + b"\n")


async def test_one_name_that_leads_nowhere_does_not_keep_the_others_from_being_visited(
    tmp_path: Path, dns: Answers
) -> None:
    dns["good.example"] = ["127.0.0.2"]
    summary = await swept(tmp_path, "bad.example", "good.example", "127.0.0.3", "mx:none.example")

    assert visited(tmp_path) == {("127.0.0.2", "refused"), ("127.0.0.3", "refused")}
    assert not summary.complete
    assert summary.reason == "2 names could not be resolved"
    assert summary.document["unresolved"] == [
        {"name": "mx:none.example", "where": "command line", "reason": f"cannot be resolved: {NOT_KNOWN}"},
        {"name": "bad.example", "where": "command line",
         "reason": f"cannot be resolved: {NOT_KNOWN}"},
    ]  # fmt: skip
    (notice,) = summary.document["notices"]
    assert notice.startswith(
        f"not visited, since they have no address: command line: 'mx:none.example' cannot be resolved: {NOT_KNOWN}; "
    )
    assert notice.count("command line: 'bad.example' cannot be resolved: ") == 1
    assert (summary.document["planned"], summary.document["not_visited"]) == (2, 0)


async def test_when_every_name_is_known_none_is_unresolved(tmp_path: Path, dns: Answers) -> None:
    dns["good.example"] = ["127.0.0.2"]
    summary = await swept(tmp_path, "good.example")

    assert summary.complete
    assert summary.document["unresolved"] == []


@pytest.mark.parametrize("names", [("bad.example", "127.0.0.1"), ("bad.example",)], ids=["strict", "nothing else"])
async def test_a_sweep_that_needs_the_name_is_refused(dns: Answers, names: tuple[str, ...]) -> None:
    del dns
    with pytest.raises(InputError, match=r"command line: 'bad\.example' cannot be resolved"):
        await plan(*names, strict=len(names) > 1)


@pytest.mark.parametrize("strict", [True, False])
async def test_the_name_of_an_exclusion_is_always_needed(dns: Answers, strict: bool) -> None:
    dns["good.example"] = ["127.0.0.2"]
    with pytest.raises(InputError) as caught:
        await plan("127.0.0.1", exclude=("bad.example", "good.example", "worse.example"), strict=strict)

    message = str(caught.value)
    assert "'bad.example' cannot" in message
    assert "'worse.example' cannot" in message
    assert "good.example" not in message


async def test_a_sweep_goes_on_with_the_addresses_that_it_began_with(tmp_path: Path, dns: Answers) -> None:
    """A rotating answer made the state useless."""
    dns |= {"pool.example": ["127.0.0.2"], "mx:pool.example": ["mx.example"], "mx.example": ["127.0.0.4"]}
    first = await swept(tmp_path, "pool.example", "mx:pool.example", "127.0.0.8/30")
    forget_what_is_done(tmp_path / "state")
    dns.clear()
    dns |= {"pool.example": ["127.0.0.3"], "mx:pool.example": ["other.example"]}

    second = await swept(tmp_path, "pool.example", "mx:pool.example", "127.0.0.8/30")

    assert second.complete
    assert second.document["digest"] == first.document["digest"]
    assert second.document["connections"] == 6
    assert {ip for ip, _ in visited(tmp_path)} == {"127.0.0.2", "127.0.0.4", *(f"127.0.0.{n}" for n in range(8, 12))}
    assert (
        "names were not looked up again: the sweep goes on with the addresses that it began with"
        in (second.document["notices"])
    )


async def test_an_excluded_name_of_an_address_that_carries_another_excludes_that_host(dns: Answers) -> None:
    dns |= {"nat64.example": ["64:ff9b::7f00:2", "127.0.0.3", "::1"]}

    made = await plan("127.0.0.0/29", exclude=("nat64.example",))

    assert [made.visited.pick(i) for i in range(made.visited.count)] == [f"127.0.0.{n}" for n in (0, 1, 4, 5, 6, 7)]


async def test_exclusions_never_shrink(tmp_path: Path, dns: Answers) -> None:
    """Who has an excluded name, or had it since the sweep began, is left alone; the books balance."""
    dns["never.example"] = ["127.0.0.9"]
    arguments: dict[str, Any] = {"exclude": ("never.example",)}
    assert (await swept(tmp_path, "127.0.0.8/30", **arguments)).document["excluded"] == 1
    for now in ("127.0.0.10", "127.0.0.11"):
        forget_what_is_done(tmp_path / "state")
        dns["never.example"] = [now]
        summary = await swept(tmp_path, "127.0.0.8/30", **arguments)

    assert summary.complete
    assert summary.document["connections"] == 1
    assert (summary.document["planned"], summary.document["excluded"]) == (4, 1)
    assert summary.document["statuses"] == {"refused": 1, "excluded": 2}
    assert visited(tmp_path) >= {("127.0.0.10", "excluded"), ("127.0.0.11", "excluded")}
    assert ("127.0.0.9", "refused") not in visited(tmp_path)
    assert (
        "2 addresses to which excluded names have led since the sweep began will not be visited, either"
        in (summary.document["notices"])
    )


async def test_an_excluded_name_must_be_known_when_a_sweep_goes_on(tmp_path: Path, dns: Answers) -> None:
    dns["never.example"] = ["127.0.0.9"]
    await swept(tmp_path, "127.0.0.8/30", exclude=("never.example",))
    dns.clear()

    with pytest.raises(InputError, match=r"'never\.example' cannot be resolved"):
        await swept(tmp_path, "127.0.0.8/30", exclude=("never.example",))


async def test_a_name_that_leads_to_targets_of_the_sweep_by_now_is_no_trouble_any_more(
    tmp_path: Path, dns: Answers
) -> None:
    assert not (await swept(tmp_path, "late.example", "127.0.0.8/30")).complete
    dns["late.example"] = ["127.0.0.9"]

    summary = await swept(tmp_path, "late.example", "127.0.0.8/30")

    assert summary.complete
    assert summary.document["unresolved"] == []


@pytest.mark.parametrize("target", ["late.example", "mx:late.example"])
async def test_a_name_that_leads_elsewhere_by_now_is_for_a_sweep_of_its_own(
    tmp_path: Path, dns: Answers, target: str
) -> None:
    await swept(tmp_path, target, "127.0.0.8/30")
    dns |= {"mx:late.example": ["late.example"], "late.example": ["127.0.0.9", "127.0.0.77"]}

    for _ in range(2):  # and it stays so
        summary = await swept(tmp_path, target, "127.0.0.8/30")
        assert not summary.complete
        assert summary.document["unresolved"] == [{
            "name": "late.example", "where": "command line",
            "reason": "leads to 127.0.0.77 by now, which is not in the sweep that is resumed: sweep it on its own",
        }]  # fmt: skip
        assert "127.0.0.77" not in {ip for ip, _ in visited(tmp_path)}


@pytest.mark.parametrize(
    "change",
    [
        lambda dns: dns.update({"new.example": ["127.0.0.77"]}) or ("old.example", "new.example"),
        lambda dns: dns.clear() or (),
        lambda dns: (
            dns.update({"mx:new.example": ["mx.example"], "mx.example": ["127.0.0.77"]})
            or ("old.example", "mx:new.example")
        ),
    ],
    ids=["one more", "one less", "one more domain"],
)
async def test_other_names_are_another_sweep(
    tmp_path: Path, dns: Answers, change: Callable[[Answers], tuple[str, ...]]
) -> None:
    dns["old.example"] = ["127.0.0.2"]
    await swept(tmp_path, "old.example", "127.0.0.8/30")

    with pytest.raises(StateError, match="belongs to a sweep of other targets"):
        await swept(tmp_path, *change(dns), "127.0.0.8/30")


async def test_without_the_name_that_leads_nowhere_the_state_is_complete(tmp_path: Path, dns: Answers) -> None:
    del dns
    assert not (await swept(tmp_path, "bad.example", "127.0.0.8/30")).complete

    assert (await swept(tmp_path, "127.0.0.8/30")).complete


@pytest.mark.usefixtures("dns")
async def test_the_api_tells_unresolved_names_in_its_summary() -> None:
    summaries: list[Summary] = []
    options = Settings(ports=(1,), retries=0)
    targets = ["bad.example", "127.0.0.2"]
    assert [record async for record in api.sweep(targets, settings=options, on_summary=summaries.append)] == []

    assert [each["name"] for each in summaries[0].document["unresolved"]] == ["bad.example"]
    strict = Settings(ports=(1,), strict_names=True)
    with pytest.raises(InputError, match=r"bad\.example"):
        await anext(api.sweep(targets, settings=strict))


@pytest.mark.usefixtures("dns")
async def test_the_api_goes_on_with_the_addresses_of_its_state(tmp_path: Path, dns: Answers) -> None:
    options = Settings(ports=(1,), retries=0)
    for address in ("127.0.0.2", "127.0.0.3"):
        dns["pool.example"] = [address]
        async for _ in api.sweep("pool.example", settings=options, state=tmp_path / "state"):
            pass

    saved = Saved.read(tmp_path / "state")
    assert saved is not None
    assert saved.names.targets.addresses == {"pool.example": ("127.0.0.2",)}


def test_known_names_come_back_from_plain_values() -> None:
    damaged: list[Any] = [[], {}, {"targets": {}}, KnownNames().plain() | {"later": ["x"]}]
    for damage in damaged:
        with pytest.raises(StateError, match="its names are damaged"):
            KnownNames.from_plain(damage)
    assert KnownNames.from_plain(KnownNames().plain()) == KnownNames()


def test_nothing_is_asked_when_nothing_is_named() -> None:
    assert asyncio.run(plan("127.0.0.1")).notices == ()
