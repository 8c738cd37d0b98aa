"""Claims about `scanner.sweeps.ledger`: the books add up, or the run fails."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import LedgerError, StateError
from scanner.model import Status
from scanner.sweeps.ledger import Ledger, Outcome

READY = Outcome(Status.READY, "Postfix", recorded=True)
NAMELESS = Outcome(Status.READY, None, recorded=True)
REFUSED = Outcome(Status.REFUSED, None, recorded=False)

OUTCOMES = st.builds(Outcome, st.sampled_from(Status), st.sampled_from([None, "Postfix", "Exim"]), st.booleans())


def ledger(*outcomes: Outcome, planned: int = 10, excluded: int = 2) -> Ledger:
    books = Ledger(planned, excluded)
    books.count(outcomes)
    return books


def test_new_books_have_everything_still_to_visit() -> None:
    books = ledger()

    assert (books.planned, books.excluded, books.finished, books.not_visited, books.records) == (10, 2, 0, 8, 0)


def test_each_target_is_booked_once_with_status_product_and_record() -> None:
    books = ledger(READY, READY, NAMELESS, REFUSED)

    assert books.statuses == {Status.READY: 3, Status.REFUSED: 1}
    assert books.products == {"Postfix": 2}
    assert (books.records, books.finished, books.not_visited) == (3, 4, 4)


def test_an_iterator_is_booked_as_a_list_is() -> None:
    books = ledger()
    books.count(iter([READY, REFUSED]))

    assert books.finished == 2


@given(st.lists(st.lists(OUTCOMES)))
def test_the_books_do_not_depend_on_how_the_targets_were_batched(batches: list[list[Outcome]]) -> None:
    flat = [outcome for batch in batches for outcome in batch]
    one, many = Ledger(len(flat), 0), Ledger(len(flat), 0)
    one.count(flat)
    for batch in batches:
        many.count(batch)

    assert one.snapshot() == many.snapshot()
    assert one.finished == len(flat)
    assert one.records == sum(outcome.recorded for outcome in flat)
    one.check(done=len(flat), complete=True)


def test_a_complete_sweep_balances() -> None:
    ledger(*[READY] * 8).check(done=8, complete=True)


def test_an_interrupted_sweep_balances_with_what_was_not_visited() -> None:
    ledger(READY).check(done=1, complete=False)


@pytest.mark.parametrize(
    ("finished", "done", "complete"),
    [
        (7, 7, True),  # one has no status
        (8, 7, True),  # one is not marked
        (7, 8, True),
        (3, 4, False),
        (4, 3, False),
        (9, 9, False),  # more than were planned
    ],
)
def test_books_that_do_not_balance_fail_loudly(finished: int, done: int, complete: bool) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger(*[READY] * finished).check(done=done, complete=complete)

    assert str(caught.value) == (
        f"the books do not balance: 10 planned, 2 excluded, {finished} with a status, {done} marked as done; "
        "this is a bug in smtpsweep"
    )


def test_counts_survive_the_state_file() -> None:
    books, restored = ledger(READY, NAMELESS, REFUSED, REFUSED), ledger()

    restored.restore(orjson.loads(orjson.dumps(books.snapshot())))

    assert restored.snapshot() == books.snapshot()
    assert restored.snapshot() == {
        "statuses": {"ready": 2, "refused": 2},
        "products": {"Postfix": 1},
        "records": 2,
        "excluded_records": 0,
        "refused_us": 0,
    }
    restored.count([READY])
    assert restored.statuses[Status.READY] == 3


def test_records_of_excluded_targets_are_no_statuses_and_never_more_than_those() -> None:
    books = Ledger(planned=5, excluded=3)
    books.count([READY, READY])
    books.count_excluded(3)

    books.check(done=2, complete=True)
    assert (books.records, books.excluded_records, books.finished, books.not_visited) == (5, 3, 2, 0)
    restored = Ledger(planned=5, excluded=3)
    restored.restore(books.snapshot())
    assert restored.excluded_records == 3
    books.count_excluded(1)
    with pytest.raises(LedgerError):
        books.check(done=2, complete=True)


def test_hosts_that_refuse_us_are_counted_beside_their_status_and_survive_the_state_file() -> None:
    refusing = Outcome(Status.REJECTED, None, recorded=True, refused_us=True)
    books, restored = ledger(refusing, refusing, READY), ledger()

    restored.restore(orjson.loads(orjson.dumps(books.snapshot())))

    assert (books.refused_us, restored.refused_us) == (2, 2)
    assert restored.statuses == {Status.REJECTED: 2, Status.READY: 1}


def test_a_state_of_an_earlier_version_did_not_count_refusals() -> None:
    snapshot = ledger(READY).snapshot()
    del snapshot["refused_us"]
    books = ledger()
    books.restore(snapshot)

    assert (books.records, books.refused_us) == (1, 0)


@pytest.mark.parametrize(
    "snapshot",
    [
        {},
        {"statuses": {}, "products": {}},
        {"statuses": {}, "records": 0},
        {"statuses": [], "products": {}, "records": 0},
        {"statuses": {"lost": 1}, "products": {}, "records": 0},
        {"statuses": {"ready": "many"}, "products": {}, "records": 0},
        {"statuses": {"ready": -1}, "products": {}, "records": 0},
        {"statuses": {"ready": 1.5}, "products": {}, "records": 0},
        {"statuses": {}, "products": {"Postfix": None}, "records": 0},
        {"statuses": {}, "products": {}, "records": None},
        {"statuses": {}, "products": {}, "records": -1},
    ],
)
def test_damaged_counts_are_refused_and_change_nothing(snapshot: dict[str, Any]) -> None:
    books = ledger(READY)

    with pytest.raises(StateError, match="its counts are damaged"):
        books.restore(snapshot)

    assert books.snapshot() == ledger(READY).snapshot()
