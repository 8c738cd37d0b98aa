"""Claims about `scanner.delivery.account`: the summary says of each sink what that one has, and blames no other."""

from pathlib import Path
from typing import Any

from scanner.delivery import FileSink
from scanner.delivery.account import accounts, discard

REMOTE: list[dict[str, Any]] = [{"name": "siem", "delivered": 3, "dead": 1}, {"name": "lake", "delivered": 5}]


class KeptForOthers(FileSink):
    """Stands for the sinks of `REMOTE`, and has something to say when nothing of it is needed any more."""

    def __init__(self, notice: str | None) -> None:
        super().__init__(Path("log"))
        self.sinks = REMOTE
        self.asked: list[bool] = []
        self._notice = notice

    def discard(self, *, finished: bool) -> str | None:
        self.asked.append(finished)
        return self._notice


def test_a_failure_is_the_reason_of_the_sink_that_it_names_and_of_no_other() -> None:
    first, second = FileSink(Path("a.jsonl")), FileSink(Path("b.jsonl"))
    failure = f"something else; {second.name}: cannot write: No space left on device"
    found = accounts([first, second], records=7, waiting=2, failure=failure)

    assert [(one["delivered"], one["waiting"], one["policy"]) for one in found] == [(7, 2, "required")] * 2
    assert [one["reason"] for one in found] == [None, f"{second.name}: cannot write: No space left on device"]


def test_who_keeps_records_for_others_speaks_for_them_and_not_for_itself() -> None:
    kept = KeptForOthers("lake lacks 2 records")
    file = FileSink(Path("a.jsonl"))
    found = accounts([kept, file], records=7, waiting=2, failure=None)

    assert found[:2] == REMOTE
    assert [one["name"] for one in found] == ["siem", "lake", file.name]


def test_only_who_keeps_records_for_others_is_asked_to_remove_them_and_may_have_something_to_say() -> None:
    left, nothing = KeptForOthers("lake lacks 2 records"), KeptForOthers(None)

    assert discard([FileSink(Path("a.jsonl")), left, nothing], finished=True) == ["lake lacks 2 records"]
    assert (left.asked, nothing.asked) == ([True], [True])
