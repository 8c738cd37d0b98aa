"""Results on their way to the sinks, and what the summary says about the sweep as a whole."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from scanner.engine import Gate
from scanner.model import Attempt, Target
from scanner.settings import Settings
from scanner.sweeps.interception import describe
from scanner.sweeps.notices import remarks
from scanner.sweeps.record_builder import RecordBuilder
from scanner.sweeps.results import Results
from scanner.targets import Ranges

if TYPE_CHECKING:
    from scanner.delivery import Delivery


class Lines:
    """Takes records as a delivery does."""

    def __init__(self) -> None:
        self.lines: dict[int, bytes | None] = {}

    def put(self, position: int, line: bytes | None) -> None:
        self.lines[position] = line


def results_of(attempts: Iterable[Attempt], *, samples: int = 1) -> tuple[Results, Lines]:
    settings, lines = Settings(samples=samples), Lines()
    gate = Gate(Ranges.from_pairs(), rate=0, subnet_rate=0)
    results = Results(settings, RecordBuilder("scan", settings), gate, cast("Delivery", lines), None)
    results.add(attempts, 0.0)
    return results, lines


def attempt(position: int, network: int, version: str = "8.14.7") -> Attempt:
    banner = f"220 proxy.example.com ESMTP Sendmail {version}/{version}\r\n".encode()
    return Attempt(Target(position, f"10.0.{network}.1", 25), None, banner, 1e9, 0.1, 0.2, 0.3)


def attempts(networks: int) -> list[Attempt]:
    """Return two visits to one host of each network, with different answers."""
    numbered = [(network, version) for version in ("8.14.7", "8.15.2") for network in range(networks)]
    return [attempt(position, *each) for position, each in enumerate(numbered)]


def test_a_record_goes_to_the_sinks_and_its_outcome_waits_for_them() -> None:
    results, lines = results_of([attempt(3, 1)])

    assert b"8.14.7" in (lines.lines[3] or b"")
    assert (results.pending, results.pending_records) == (1, 1)
    (outcome,) = results.take_outcomes([3])
    assert (outcome.product, outcome.recorded, results.pending) == ("Sendmail", True, 0)


def test_a_quiet_sweep_has_nothing_to_say() -> None:
    assert results_of([])[0].document() == {"interception": [], "samples": None}
    assert remarks(results_of([])[0].document()) == remarks({}) == []
    assert remarks(results_of([], samples=2)[0].document()) == []


def test_both_parts_see_every_record() -> None:
    document = results_of(attempts(20), samples=2)[0].document()

    assert (document["interception"][0]["visits"], document["samples"]["found"]) == (40, 20)
    assert remarks(document) == [
        describe(document["interception"][0]),
        "targets that gave different answers, so that more than one server is behind each: 20",
    ]


def test_without_samples_answers_are_not_compared() -> None:
    assert results_of(attempts(1))[0].document()["samples"] is None
