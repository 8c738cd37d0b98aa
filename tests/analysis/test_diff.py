"""Claims about comparing two sweeps: which events there are, and above all that there are none without evidence."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from scanner.analysis.changes import Change, ChangeKind
from scanner.analysis.history import Observation
from scanner.identify.disclosure import NAMED
from scanner.model import Record, Software, Status
from scanner.smtp import parse_banner
from tests.support.sweeps import (
    HIDDEN,
    MONDAY,
    SENDMAIL_HOST,
    TUESDAY,
    A,
    B,
    compared,
    dialogue,
    finished,
    kinds,
    later,
    visit,
)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (SENDMAIL_HOST, SENDMAIL_HOST, []),
        (HIDDEN, HIDDEN, []),
        (SENDMAIL_HOST, visit(A, "Sendmail", "8.17.1"), ["version_changed"]),
        (SENDMAIL_HOST, HIDDEN, ["now_hidden"]),
        (SENDMAIL_HOST, visit(A, "Sendmail"), ["now_hidden"]),
        (visit(A, "Sendmail"), HIDDEN, ["now_hidden"]),
        (HIDDEN, SENDMAIL_HOST, ["now_disclosed"]),
        (visit(A, "Sendmail"), SENDMAIL_HOST, ["now_disclosed"]),
        (SENDMAIL_HOST, visit(A, "Postfix"), ["software_replaced"]),
        (SENDMAIL_HOST, visit(A, "Exim", "4.96"), ["software_replaced"]),
        (SENDMAIL_HOST, visit(A, status=Status.REJECTED), ["status_changed"]),
        (visit(A, status=Status.REJECTED), SENDMAIL_HOST, ["status_changed"]),
        (SENDMAIL_HOST, visit(A, status=Status.NOT_SMTP), ["status_changed"]),
        (SENDMAIL_HOST, visit(A, "Sendmail", "8.17.1", status=Status.REJECTED), ["status_changed", "version_changed"]),
        (visit(A, status=Status.REFUSED), SENDMAIL_HOST, ["new"]),
        (visit(A, status=Status.REFUSED), visit(A, status=Status.BUSY), ["new"]),
        (visit(A, status=Status.REFUSED), visit(A, status=Status.REJECTED, refused_us=True), ["new"]),
        (SENDMAIL_HOST, visit(A, status=Status.REFUSED), ["gone"]),
        (SENDMAIL_HOST, visit(A, status=Status.UNREACHABLE, error="EHOSTUNREACH"), ["gone"]),
        (visit(A, status=Status.MALFORMED), visit(A, status=Status.REFUSED), ["gone"]),
        (visit(A, status=Status.REFUSED), visit(A, status=Status.UNREACHABLE), []),
        # Momentary refusals: what they name is believed, what they leave out is not.
        (SENDMAIL_HOST, visit(A, "Sendmail", "8.17.1", status=Status.BUSY), ["version_changed"]),
        (SENDMAIL_HOST, visit(A, "Sendmail", status=Status.TEMPORARY), []),
        (visit(A, "Sendmail", status=Status.BUSY), SENDMAIL_HOST, []),
    ],
)
def test_what_one_visit_each_comes_to(tmp_path: Path, before: Record, after: Record, expected: list[str]) -> None:
    changes, comparison = finished(tmp_path, [before], [later(after)])
    assert kinds(changes) == expected
    assert comparison.counts.compared == 1
    assert comparison.counts.not_compared == {}
    assert comparison.counts.kinds == Counter(ChangeKind(kind) for kind in expected)


NO_CONCLUSION = [
    Status.CONNECT_TIMEOUT,
    Status.SILENT,
    Status.SLOW,
    Status.CUT,
    Status.CLOSED,
    Status.RESET,
    Status.BUG,
    Status.EXCLUDED,
    Status.BUSY,
    Status.TEMPORARY,
]


@pytest.mark.parametrize("status", NO_CONCLUSION)
@pytest.mark.parametrize("side", [0, 1])
def test_a_visit_without_a_conclusion_changes_nothing_and_is_counted(tmp_path: Path, status: Status, side: int) -> None:
    pair = [SENDMAIL_HOST, SENDMAIL_HOST]
    pair[side] = visit(A, status=status)
    changes, comparison = finished(tmp_path, [pair[0]], [later(pair[1])])
    assert changes == []
    assert comparison.counts.not_compared == {(("before", "after")[side], status.value): 1}


def test_every_status_is_a_conclusion_a_negative_answer_or_neither() -> None:
    """A new status must be put somewhere on purpose."""
    told = {status: Observation.of(visit(A, status=status)) for status in Status}
    assert {status for status, observation in told.items() if observation.concludes} == {
        *(Status.READY, Status.REJECTED, Status.MALFORMED, Status.NOT_SMTP)
    }
    assert {status for status, observation in told.items() if observation.presence is False} == {
        Status.REFUSED,
        Status.UNREACHABLE,
    }
    assert {status for status, observation in told.items() if observation.presence is None} == {
        *NO_CONCLUSION[:-2],
    }


def test_a_server_that_turned_our_address_away_is_not_compared(tmp_path: Path) -> None:
    for status in (Status.REJECTED, Status.TEMPORARY, Status.READY):
        refused = visit(A, "Postfix", "3.7", status=status, refused_us=True)
        for before, after, side in ((SENDMAIL_HOST, refused, "after"), (refused, SENDMAIL_HOST, "before")):
            changes, comparison = finished(tmp_path, [before], [later(after)])
            assert changes == []
            assert comparison.counts.not_compared == {(side, "refused us"): 1}


def test_no_route_from_our_own_machine_is_never_gone(tmp_path: Path) -> None:
    for error in ("ENETUNREACH", "ENETUNREACH: no route from this machine", "EAFNOSUPPORT"):
        changes, comparison = finished(
            tmp_path, [SENDMAIL_HOST], [later(visit(A, status=Status.UNREACHABLE, error=error))]
        )
        assert changes == []
        assert comparison.counts.not_compared == {("after", "unreachable"): 1}


def test_a_time_out_is_gone_only_for_who_says_so(tmp_path: Path) -> None:
    records = [SENDMAIL_HOST], [later(visit(A, status=Status.CONNECT_TIMEOUT))]
    assert compared(tmp_path, *records) == []
    assert kinds(compared(tmp_path, *records, time_out_is_gone=True)) == ["gone"]
    assert kinds(compared(tmp_path, records[1], records[0], time_out_is_gone=True)) == ["new"]


def help_version(version: str | None, **changes: Any) -> Record:
    """Return a server whose greeting names Sendmail only, and whose HELP may tell the version."""
    software = Software("Sendmail", version=version, method="banner" if version is None else "help", confidence=0.95)
    seen = {"product": ("greeting",), "version": () if version is None else ("help",)}
    shown = ("product",) if version is None else ("product", "version")
    return visit(A)._replace(
        **{"software": software, "disclosure": shown, "disclosed_in": seen, "dialogue": dialogue()} | changes
    )


def test_a_version_that_only_help_shows_counts_where_both_sweeps_asked_for_it(tmp_path: Path) -> None:
    shown, hidden, greeting_only = help_version("8.17.1"), help_version(None), visit(A, "Sendmail")
    assert kinds(compared(tmp_path, [shown], [later(hidden)])) == ["now_hidden"]
    assert kinds(compared(tmp_path, [hidden], [later(shown)])) == ["now_disclosed"]
    assert kinds(compared(tmp_path, [shown], [later(help_version("8.18.1"))])) == ["version_changed"]
    assert compared(tmp_path, [shown], [later(greeting_only)]) == []
    assert compared(tmp_path, [greeting_only], [later(shown)]) == []


def test_a_dialogue_that_broke_off_hides_nothing(tmp_path: Path) -> None:
    broken = help_version(None, dialogue=dialogue(error="timed out after HELP"))
    assert compared(tmp_path, [help_version("8.17.1")], [later(broken)]) == []


def test_software_that_behaviour_alone_tells_is_no_part_of_what_greetings_say(tmp_path: Path) -> None:
    recognised = Software("Sendmail", method="behaviour", confidence=0.8)
    behaves = visit(A, dialogue=dialogue(), software=recognised, disclosed_in={"product": (), "version": ()})
    assert compared(tmp_path, [visit(A, "Postfix")], [later(behaves)]) == [
        Change(ChangeKind.NOW_HIDDEN, A, 25, None, *sides_of(tmp_path, visit(A, "Postfix"), later(behaves)))
    ]
    named = visit(A, "Postfix", dialogue=dialogue(), disclosed_in={"product": ("greeting",)})
    assert kinds(compared(tmp_path, [named], [later(behaves)])) == ["software_replaced"]


def sides_of(folder: Path, before: Record, after: Record) -> tuple[Any, Any, float | None]:
    (change,) = compared(folder, [before], [after])
    assert change.before is not None
    assert change.after is not None
    assert (change.before.product, change.after.product) == (("Postfix",), ())
    return change.before, change.after, after.observed_at


def test_a_greeting_that_a_firewall_has_overwritten_hides_nothing_that_is_known(tmp_path: Path) -> None:
    masked = visit(A)._replace(banner=parse_banner(b"220 ****************0*2******0****\r\n"))

    assert compared(tmp_path, [SENDMAIL_HOST], [later(masked)]) == []
    assert kinds(compared(tmp_path, [masked], [later(SENDMAIL_HOST)])) == ["now_disclosed"]


def test_a_guess_replaces_nothing(tmp_path: Path) -> None:
    guess = visit(A)._replace(software=Software("Exim", confidence=NAMED - 0.01))
    assert compared(tmp_path, [later(guess)], [visit(A)._replace(software=Software("Qmail", confidence=0.3))]) == []
    assert kinds(compared(tmp_path, [SENDMAIL_HOST], [later(guess)])) == ["now_hidden"]


@pytest.mark.parametrize("shown", [("product",), ("version",), ("product", "version")])
def test_a_guess_replaces_nothing_whatever_the_greeting_gives_away(tmp_path: Path, shown: tuple[str, ...]) -> None:
    old = visit(A)._replace(software=Software("Exim", version="1.2", confidence=0.3), disclosure=shown)
    new = visit(A)._replace(software=Software("Qmail", version="1.2", confidence=0.3), disclosure=shown)

    assert compared(tmp_path, [old], [later(new)]) == []


def test_every_part_of_a_version_counts(tmp_path: Path) -> None:
    old = Software("Sendmail", version="8.14.7", config_version="8.13.8", patch="p3", package="Debian-2", confidence=1)
    before = SENDMAIL_HOST._replace(software=old)
    for field, value in (("config_version", "8.14.7"), ("patch", "p4"), ("package", None), ("version", "8.14.8")):
        software = Software(**{name: getattr(old, name) for name in old.__slots__} | {field: value})
        (change,) = compared(tmp_path, [before], [later(SENDMAIL_HOST._replace(software=software))])
        assert change.kind is ChangeKind.VERSION_CHANGED
        assert change.before is not None
        assert change.before.version == ("8.14.7/8.13.8 p3 Debian-2",)


def test_certificates_are_compared_where_both_sweeps_saw_one(tmp_path: Path) -> None:
    first, second, none = (visit(A, dialogue=dialogue(certificate)) for certificate in ("a", "b", None))
    (change,) = compared(tmp_path, [first], [later(second)])
    assert (change.kind, change.before and change.before.certificate) == (ChangeKind.CERTIFICATE_CHANGED, ("a" * 64,))
    for before, after in ((first, first), (first, none), (none, first)):
        assert compared(tmp_path, [before], [later(after)]) == []


def samples(*versions: str | None, scan: str = MONDAY, **changes: Any) -> list[Record]:
    return [
        visit(A, None if version is None else "Sendmail", version, scan=scan, sample=number, **changes)
        for number, version in enumerate(versions)
    ]


def test_a_pool_that_answers_in_another_order_has_not_changed(tmp_path: Path) -> None:
    before, after = samples("8.14", "8.17", "8.14"), samples("8.17", "8.14", "8.14", scan=TUESDAY)
    changes, comparison = finished(tmp_path, before, after)
    assert (changes, comparison.counts.in_part) == ([], 0)


def test_a_pool_of_which_other_members_were_met_is_counted_and_not_called_a_change(tmp_path: Path) -> None:
    changes, comparison = finished(tmp_path, samples("8.14", "8.17"), samples("8.17", "8.17", scan=TUESDAY))
    assert (changes, comparison.counts.in_part, comparison.counts.compared) == ([], 1, 1)


def test_a_pool_that_was_upgraded_as_a_whole_has_changed(tmp_path: Path) -> None:
    (change,) = compared(tmp_path, samples("8.14", "8.15"), samples("8.17", "8.17", scan=TUESDAY))
    assert change.kind is ChangeKind.VERSION_CHANGED
    assert change.before is not None
    assert change.after is not None
    assert (change.before.version, change.after.version) == (("8.14", "8.15"), ("8.17",))


def test_one_member_that_shows_its_version_is_a_disclosure_of_the_pool(tmp_path: Path) -> None:
    hidden, shown = samples(None, None), samples(None, "8.14", scan=TUESDAY)
    assert kinds(compared(tmp_path, hidden, shown)) == ["now_disclosed"]
    assert kinds(compared(tmp_path, shown, hidden)) == ["now_hidden"]


def test_a_target_is_only_gone_when_every_sample_says_so(tmp_path: Path) -> None:
    refused = samples(None, None, scan=TUESDAY, status=Status.REFUSED)
    assert kinds(compared(tmp_path, samples("8.14", "8.14"), refused)) == ["gone"]
    for status in (Status.CONNECT_TIMEOUT, Status.READY):
        partly = [refused[0], refused[1]._replace(status=status)]
        assert "gone" not in kinds(compared(tmp_path, samples("8.14", "8.14"), partly))


def test_of_a_visit_that_a_resumed_sweep_wrote_twice_the_last_counts_once(tmp_path: Path) -> None:
    hidden, shown = visit(A, scan=TUESDAY), visit(A, "Sendmail", "8.14.7", scan=TUESDAY)
    others = [visit(f"192.0.2.{number}", scan=TUESDAY) for number in range(10, 20)]
    assert kinds(compared(tmp_path, [SENDMAIL_HOST], [shown, *others, hidden])) == ["now_hidden"]
    assert kinds(compared(tmp_path, [SENDMAIL_HOST], [hidden, *others, shown])) == []
    assert kinds(compared(tmp_path, [hidden, *others, shown], [later(visit(A))])) == ["now_hidden"]


def test_a_file_of_several_scans_is_read_as_one_and_said(tmp_path: Path) -> None:
    twice = [SENDMAIL_HOST, visit(A, "Sendmail", "8.15", scan="sunday"), visit(B, scan="sunday")]
    changes, comparison = finished(tmp_path, twice, [later(visit(A, "Sendmail", "8.15"))])
    assert (changes, comparison.counts.several_scans, comparison.counts.in_part) == ([], 1, 1)
