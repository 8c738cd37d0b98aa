"""Claims about `scanner.cli.progress` and `scanner.cli.live`: what is shown of a sweep, and that it is right."""

import asyncio
import io
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from scanner.cli import live, progress
from scanner.cli.outputs import Outputs
from scanner.cli.pace import Pace, time_left
from scanner.cli.progress import print_summary, shown
from scanner.cli.sink_lines import SinkLine, SinkWatch
from scanner.engine import PoolStatistics
from scanner.model import Status
from scanner.settings import Settings
from scanner.sweeps.pipeline import Sweep, SweepStatistics
from scanner.sweeps.summary import Summary


def pool(**counts: int) -> PoolStatistics:
    return PoolStatistics(**(dict.fromkeys(PoolStatistics.__slots__, 0) | counts))


def counts(
    elapsed_s: float,
    finished: int,
    *,
    planned: int = 65_536,
    excluded: int = 0,
    statuses: Mapping[Status, int] | None = None,
    **others: Any,
) -> SweepStatistics:
    others = {"finished_before": 0, "records": 0, "pending": 0, "pool": None} | others
    return SweepStatistics(elapsed_s, planned, excluded, finished, statuses=statuses or {}, **others)


class Run:
    """A sweep as far as progress knows it."""

    def __init__(self, *snapshots: SweepStatistics, notices: tuple[str, ...] = (), **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.notices = list(notices)
        self.plan = SimpleNamespace(to_visit=65_000, excluded_count=536, excluded_why={"yours": 500, "multicast": 36})
        self._snapshots = list(snapshots)

    def statistics(self) -> SweepStatistics:
        return self._snapshots.pop(0) if len(self._snapshots) > 1 else self._snapshots[0]

    def as_sweep(self) -> Sweep:
        return cast("Sweep", self)


def test_nothing_is_known_before_anything_happened() -> None:
    pace = Pace()

    assert pace.update(counts(0, 0)) == (0.0, None)
    assert pace.update(counts(10, 0)) == (0.0, None)


def test_the_time_left_follows_targets_and_not_the_few_hosts_that_were_found() -> None:
    """One address in a thousand answers: what is left is 45,536 targets at 500 a second."""
    pace = Pace()
    pace.update(counts(0, 0))
    for second in range(10, 50, 10):
        rate, left = pace.update(counts(second, second * 500, statuses={Status.READY: second // 2}))

    assert (rate, left) == (500.0, (65_536 - 20_000) / 500)


def test_excluded_targets_are_not_waited_for() -> None:
    pace = Pace()
    pace.update(counts(0, 0, planned=1000, excluded=600))

    assert pace.update(counts(10, 100, planned=1000, excluded=600)) == (10.0, 30.0)


def test_what_an_earlier_run_finished_is_not_part_of_the_pace() -> None:
    pace = Pace()
    pace.update(counts(0, 60_000, finished_before=60_000))

    assert pace.update(counts(10, 60_100, finished_before=60_000)) == (10.0, 543.6)


@pytest.mark.parametrize("step_s", [0.25, 10.0])
def test_the_pace_is_that_of_the_last_half_minute(step_s: float) -> None:
    pace, finished, now = Pace(), 0, 0.0
    rate = 0.0
    for speed in (1000, 100):
        for _ in range(int(60 / step_s)):
            rate, _ = pace.update(counts(now, finished))
            now += step_s
            finished += int(speed * step_s)

    assert rate == 100.0


def test_a_clock_that_is_set_back_makes_no_negative_pace() -> None:
    pace = Pace()
    pace.update(counts(100, 100))

    assert pace.update(counts(40, 200)) == (0.0, None)


@pytest.mark.parametrize(
    ("left", "text"), [(None, "unknown time"), (0.0, "1 s"), (91.07, "1 min 32 s"), (7200, "2 h 0 min")]
)
def test_the_time_left_is_written_for_people(left: float | None, text: str) -> None:
    assert time_left(left) == text


def test_a_line_has_the_counts_the_pace_and_the_time_left() -> None:
    now = counts(
        60, 30_000, excluded=536, records=70, statuses={Status.READY: 55, Status.SILENT: 15}, pool=pool(waiting=1234)
    )

    assert progress._line(now, 500.0, 70.0) == (
        "30,000/65,000 (46.2%) 500/s, 1 min 10 s left, 70 records, 55 ready, 1,234 waiting"
    )


def test_a_line_of_a_sweep_that_has_not_begun_makes_no_error() -> None:
    assert progress._line(counts(0, 0, planned=0), 0.0, None) == (
        "0/0 (0.0%) 0/s, unknown time left, 0 records, 0 ready, 0 waiting"
    )


async def test_without_a_terminal_lines_are_written_while_the_body_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_S", 0.001)
    run = Run(counts(0, 0), counts(10, 5000), notices=("resumed from x",), rate=0, subnet_rate=50, seed=7)

    err = ""
    async with shown(run.as_sweep(), quiet=False, live=True):
        while err.count("\n") < 4:
            await asyncio.sleep(0)
            err += capsys.readouterr().err

    assert err.splitlines()[:3] == [
        (
            "65,000 targets to visit, 536 excluded (500 by you, 36 multicast); "
            "no rate limit, 50 per second to one /24, 1,000 at once, seed 7"
        ),
        "resumed from x",
        "5,000/65,536 (7.6%) 500/s, 2 min 2 s left, 0 records, 0 ready, 0 waiting",
    ]
    assert asyncio.all_tasks() == {asyncio.current_task()}  # nobody is left who could say more
    assert capsys.readouterr() == ("", "")


async def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_LINE_S", 0.0)
    async with shown(Run(counts(0, 0), notices=("resumed from x",)).as_sweep(), quiet=True, live=True):
        for _ in range(20):
            await asyncio.sleep(0)

    assert capsys.readouterr() == ("", "")


async def test_an_error_of_the_body_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        async with shown(Run(counts(0, 0)).as_sweep(), quiet=False, live=False):
            raise ZeroDivisionError


def test_the_live_block_shows_counts_pace_statuses_and_what_is_waited_for() -> None:
    pace = Pace()
    pace.update(counts(0, 0, excluded=536))
    now = counts(
        20,
        10_000,
        excluded=536,
        statuses={Status.SILENT: 1500, Status.READY: 42, Status.REFUSED: 0},
        pending=17,
        pool=pool(connecting=900, waiting=1500, leaving=3, retrying=20, deferred=5),
    )
    console = Console(record=True, width=120, file=io.StringIO(), markup=False, highlight=False, emoji=False)

    console.print(live._block(now, pace))
    text = console.export_text()
    head, *rest = text.splitlines()

    assert head.split("  ", 1)[1].split() == ["10,000", "of", "65,000", "500/s", "1", "min", "50", "s", "left"]
    assert [line.rstrip() for line in rest] == [
        "ready 42  silent 1,500",
        "900 connecting, 1,500 waiting for a greeting, 3 leaving, 25 deferred, 17 pending for the sinks",
    ]


def test_the_live_block_of_a_sweep_that_found_nothing_says_so() -> None:
    console = Console(record=True, width=120, file=io.StringIO(), markup=False)

    console.print(live._block(counts(0, 0, planned=0), Pace()))

    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[0].endswith("0 of 0  0/s  unknown time left")
    assert lines[1:] == ["nothing found yet"]


def document(**changes: Any) -> dict[str, Any]:
    return {
        "planned": 65_536,
        "excluded": 536,
        "not_visited": 0,
        "refused_us": 0,
        "statuses": {"ready": 55, "refused": 64_945},
        "products": {"Postfix": 40, "Sendmail": 12},
        "records": 55,
        "connections": 65_010,
        "elapsed_s": 131.25,
        **changes,
    }


def summary(capsys: pytest.CaptureFixture[str], **changes: Any) -> list[str]:
    print_summary(Summary(complete=True, reason=None, document=document(**changes)))
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def test_the_summary_is_a_balance(capsys: pytest.CaptureFixture[str]) -> None:
    assert summary(capsys) == [
        "  planned               65,536",
        "  excluded                 536",
        "  ready                     55",
        "  refused               64,945",
        "products: Postfix 40, Sendmail 12, not named 3",
        "55 records, 65,010 connections in 131.2 s",
    ]


def test_hosts_that_refused_us_are_named_as_lost_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    assert "1,234 of them refused this address, so their usual greeting was not seen" in summary(
        capsys, refused_us=1234
    )
    assert not [line for line in summary(capsys) if "refused this address" in line]


def test_what_was_not_visited_is_shown_when_there_is_any(capsys: pytest.CaptureFixture[str]) -> None:
    lines = summary(capsys, not_visited=7, statuses={}, products={}, records=0)

    assert lines[2:] == ["  not visited                7", "0 records, 65,010 connections in 131.2 s"]


def test_a_target_that_the_gate_stopped_does_not_hide_the_planned_exclusions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = summary(capsys, statuses={"excluded": 2})

    assert lines[1:3] == ["  excluded                 536", "  excluded                   2"]


def test_a_dozen_products_are_named_and_the_others_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = summary(capsys, products={f"Product{i}": 2000 - i for i in range(15)})

    assert lines[4].startswith("products: Product0 2,000, Product1 1,999, ")
    assert lines[4].endswith("Product11 1,989 and 3 more")


def test_it_is_shown_how_many_wait_for_a_route_when_some_do() -> None:
    routed, lost = counts(1, 5, pool=pool(waiting=2)), counts(1, 5, pool=pool(waiting=2, no_way=1234))

    assert progress._line(routed, 5.0, None).endswith(" 2 waiting")
    assert progress._line(lost, 5.0, None).endswith(" 2 waiting, 1,234 without a route")
    for snapshot, is_said in ((routed, False), (lost, True)):
        console = Console(file=io.StringIO(), width=160)
        console.print(live._block(snapshot, Pace()))
        assert ("1,234 without a route" in cast("io.StringIO", console.file).getvalue()) is is_said


async def test_notices_are_said_when_they_come_up_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(counts(0, 0), notices=("resumed from x",))
    err = ""
    async with shown(run.as_sweep(), quiet=False, live=True) as said:
        run.notices.append("a network was \x1b[31mslowed\nforged")
        while "slowed" not in err:
            await asyncio.sleep(0)
            err += capsys.readouterr().err

    late = [*run.notices, "said at the end"]
    print_summary(Summary(complete=True, reason=None, document=document(notices=late)), said)
    err += capsys.readouterr().err

    lines = err.splitlines()
    assert lines[1:3] == ["resumed from x", r"a network was \x1b[31mslowed\nforged"]
    assert [line for line in lines if "resumed" in line or "slowed" in line] == lines[1:3]
    assert lines[-2] == "said at the end"


def test_a_line_is_bounded_however_many_sinks_are_down() -> None:
    sinks = [SinkLine(f"s{number}", 0, 5, since="12:00:00", why="y" * 120) for number in range(1000)]

    text = progress._troubled(sinks)

    assert text.startswith(f"; s0: 0 delivered, 5 waiting; down since 12:00:00: {'y' * 120}; s1: ")
    assert text.endswith("; and 992 more sinks")
    assert len(text) < 2000


def test_sinks_that_are_well_and_have_everything_are_not_in_a_line() -> None:
    lines = [SinkLine("a", 7, 0), SinkLine("b", 7, 0, dead=2), SinkLine("c", 5, 0, skipped=2)]

    assert (
        progress._troubled(lines) == "; b: 7 delivered, 0 waiting, 2 dead letters; c: 5 delivered, 0 waiting, 2 skipped"
    )


class Remote:
    """Remote sinks as far as progress knows them."""

    name = "log run"

    def __init__(self, *reports: dict[str, Any]) -> None:
        self.reports = list(reports)


def watch(remote: Remote, now: list[float], *others: Any) -> SinkWatch:
    outputs = Outputs([*others, cast("Any", remote)], cast("Any", remote))
    return SinkWatch(outputs, clock=lambda: now[0])


def report(**changes: Any) -> dict[str, Any]:
    usual = {"name": "siem", "delivered": 5, "last": 9, "sequence": 7, "dead": 1, "skipped": 0, "failure": None}
    return usual | {"trouble": None, **changes}


def test_a_sink_is_down_since_its_trouble_was_first_seen_until_it_is_over() -> None:
    remote, now = Remote(report()), [1000.0]
    sinks = watch(remote, now, SimpleNamespace(name="out\x1b.jsonl"))
    state = counts(0, 0, records=3, pending=4)

    assert sinks.lines(state) == [SinkLine(r"out\x1b.jsonl", 3, 4), SinkLine("siem", 5, 2, dead=1)]
    remote.reports = [report(trouble="it is\ndown " + "x" * 200)]
    first = sinks.lines(state)[1]
    now[0] = 2000.0
    again = sinks.lines(state)[1]
    remote.reports = [report()]
    well = sinks.lines(state)[1]
    remote.reports = [report(failure="for good")]
    last = sinks.lines(state)[1]

    assert first == again
    assert first.since == time.strftime("%H:%M:%S", time.localtime(1000))
    assert (first.why or "").startswith(r"it is\ndown xxx")
    assert len(first.why or "") == 120
    assert well.since is None
    assert (last.since, last.why) == (time.strftime("%H:%M:%S", time.localtime(2000)), "for good")


def test_the_block_has_a_line_for_each_sink_and_counts_those_that_do_not_fit() -> None:
    console = Console(record=True, width=60, file=io.StringIO(), markup=False)
    sinks = [SinkLine(f"s{number}", 1, 2, since="12:00:00", why="z" * 100) for number in range(10)]

    console.print(live._block(counts(0, 0), Pace(), sinks, 60))

    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert lines[2].startswith("s0: 1 delivered, 2 waiting; down since 12:00:00: zzz")
    assert lines[-2].startswith("s7: ")
    assert lines[-1] == "and 2 more sinks"
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize(
    ("sink", "line"),
    [
        ({"name": "a", "delivered": 1234, "dead": 0, "skipped": 0, "waiting": 0, "reason": None}, "a: 1,234 delivered"),
        (
            {"name": "b", "delivered": 0, "dead": 2, "skipped": 3, "waiting": 4, "reason": "no\x1b"},
            r"b: 0 delivered, 2 dead letters, 3 skipped, 4 not delivered (no\x1b)",
        ),
        ({"name": "c"}, "c: "),
    ],
)
def test_the_summary_says_for_each_sink_what_it_has_not_got(
    capsys: pytest.CaptureFixture[str], sink: dict[str, Any], line: str
) -> None:
    assert f"sink {line}" in summary(capsys, sinks=[sink])
