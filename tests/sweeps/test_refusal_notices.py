"""What people hear of networks that refuse us."""

import logging

import pytest

from scanner.cli.progress import ToldNotices
from scanner.engine.refusals import Restraint
from scanner.settings import Settings
from scanner.sweeps import refusal_notices as module
from scanner.sweeps.refusal_notices import RefusalNotices, refusal_reason

NETWORK = "192.0.2.0/24"
SLOWED = (
    "192.0.2.0/24: 9 of 12 answers refused us (75% since the first refusal): visited at 5 connections a second "
    "from then on instead of 50 (--refusal-limit 0 turns this off)"
)


def slowed(network: str = NETWORK) -> Restraint:
    return Restraint(network, "slowed", 9, 12)


def lifted(network: str = NETWORK) -> Restraint:
    return Restraint(network, "lifted", 9, 140)


def test_a_slowed_network_is_a_warning_at_once_and_a_notice_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    tested = RefusalNotices(Settings())
    tested.add(slowed())

    assert caplog.messages == tested.notices() == [SLOWED]


def test_without_a_rate_it_is_said_what_it_is_slowed_to() -> None:
    tested = RefusalNotices(Settings(subnet_rate=0))
    tested.add(slowed())

    (notice,) = tested.notices()
    assert "visited at 5 connections a second from then on instead of without limit" in notice


def test_a_network_that_got_its_pace_back_is_said_both_times(caplog: pytest.LogCaptureFixture) -> None:
    tested = RefusalNotices(Settings())
    tested.add(slowed())
    tested.add(lifted())

    assert tested.notices() == [f"{SLOWED}; later the refusals stopped and it got its pace back"]
    assert caplog.messages == [
        SLOWED,
        "192.0.2.0/24: it refuses us no longer, and is visited at its full pace again",
    ]
    tested.add(slowed())
    assert tested.notices() == [SLOWED]


def test_a_network_that_was_slowed_in_an_earlier_run_may_only_get_its_pace_back() -> None:
    tested = RefusalNotices(Settings())
    tested.add(lifted())

    assert tested.notices() == ["192.0.2.0/24: it refuses us no longer, and is visited at its full pace again"]


def test_a_closed_network_is_not_visited() -> None:
    tested = RefusalNotices(Settings())
    tested.add(Restraint("2001:db8::/64", "closed", 8, 8))

    (notice,) = tested.notices()
    assert notice == (
        "2001:db8::/64: 8 of 8 answers refused us (100% since the first refusal): not visited any further "
        "(--refusal-action stop)"
    )


def test_only_so_many_are_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "MAX_NAMED", 2)
    tested = RefusalNotices(Settings())
    for number in [0, 1, 2, 3, 3]:
        tested.add(slowed(f"192.0.{number}.0/24"))

    assert len(caplog.messages) == 2
    assert [notice.partition(":")[0] for notice in tested.notices()] == [
        "192.0.0.0/24",
        "192.0.1.0/24",
        "2 further networks refused us and were slowed or closed, too",
    ]


@pytest.mark.parametrize(("closed", "networks"), [(1, "1 network"), (3, "each of 3 networks")])
def test_the_reason_says_how_many_networks_were_closed(closed: int, networks: str) -> None:
    assert refusal_reason(1234, closed, Settings()) == (
        f"1,234 targets were not visited: {networks} refused us 8 times (--refusal-action stop); "
        "to visit them slowly, run it again with --refusal-action slow"
    )


def test_a_share_of_nothing_is_nothing() -> None:
    assert Restraint(NETWORK, "slowed", 0, 0).share == 0.0


@pytest.mark.parametrize(("level", "heard"), [(logging.WARNING, True), (logging.ERROR, False)])
def test_what_was_warned_of_is_not_said_again_as_a_notice(
    level: int, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], *, heard: bool
) -> None:
    tested = RefusalNotices(Settings())
    with caplog.at_level(level, "scanner.sweeps.refusal_notices"):
        tested.add(slowed())
    said = ToldNotices()
    said.skip(tested.warned)
    said.say_new(tested.notices())

    assert ("9 of 12 answers refused us" in capsys.readouterr().err) is not heard
