"""Claims about a state file that somebody touches while a sweep writes it, and about sweeps that go on otherwise."""

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.delivery import FileSink
from scanner.errors import SinkError, StateError
from scanner.files.sealed import seal, unseal
from scanner.model import Status
from scanner.settings import Probe, Settings
from scanner.sweeps.ledger import Ledger
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import make_plan
from scanner.sweeps.saved_state import Saved
from scanner.targets import COMMAND_LINE, TextSource, parse_spec
from tests.support.state_files import read, running


async def sweep(folder: Path, **changes: Any) -> Sweep:
    options: dict[str, Any] = {"rate": 0, "subnet_rate": 0, "seed": 7, "retries": 0}
    plan = await make_plan(
        parse_spec([TextSource(COMMAND_LINE, ["127.31.0.0/29"])]),
        parse_spec([]),
        Settings(ports=(1,), **options | changes),
    )
    run = Sweep(plan, [FileSink(folder / "out.jsonl")], state=folder / "state")
    await run.prepare()
    return run


def done_of(path: Path) -> int:
    return read(path).restore(Ledger(1000, 0), {}).progress.done_count


def test_a_state_that_is_removed_is_written_anew_with_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The journal went into a file without a name: after a kill the same command refused, since there was no state."""
    path = tmp_path / "state"
    with running(path) as run:
        run.done(0, 1)
        path.unlink()
        with caplog.at_level(logging.WARNING):
            run.done(2, 3)
        assert done_of(path) == 4
        run.done(4)

    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: was removed while the sweep ran: it is written anew"
    ]
    assert done_of(path) == 5


@pytest.mark.parametrize("step", ["done", "compact"])
def test_a_state_that_is_replaced_is_not_touched(tmp_path: Path, step: str) -> None:
    """The end of the sweep wrote over it, and called itself complete."""
    path = tmp_path / "state"
    with running(path) as run:
        path.unlink()
        path.write_text("somebody's")

        with pytest.raises(SinkError, match=f"{path}: was replaced by another file while the sweep ran"):
            run.done(0) if step == "done" else run.compact()
    assert path.read_text() == "somebody's"


def test_a_link_that_leads_nowhere_is_somebody_elses_too(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with running(path) as run:
        path.unlink()
        path.symlink_to(tmp_path / "nowhere")

        with pytest.raises(SinkError, match="was replaced by another file"):
            run.done(0)
    assert path.is_symlink()


async def test_a_sweep_whose_state_is_replaced_is_not_complete(tmp_path: Path) -> None:
    run = await sweep(tmp_path)
    (tmp_path / "state").unlink()
    (tmp_path / "state").write_text("somebody's")
    summary = await run.run()

    assert not summary.complete
    assert summary.reason is not None
    assert summary.reason.startswith(f"{tmp_path}/state: was replaced by another file while the sweep ran")
    assert (tmp_path / "state").read_text() == "somebody's"


@pytest.mark.parametrize(
    ("changes", "theirs", "ours"),
    [
        ({"all_statuses": True}, "without --all", "with --all"),
        ({"probe": Probe.DIALOGUE}, "with --probe greeting", "with --probe dialogue"),
        ({"passive": True}, "without --passive", "with --passive"),
        ({"dns": True}, "without --dns", "with --dns"),
    ],
    ids=["all", "probe", "passive", "dns"],
)
async def test_a_sweep_does_not_go_on_with_other_records(
    tmp_path: Path, changes: dict[str, object], theirs: str, ours: str
) -> None:
    """Half of the records were of one kind, half of the other, and the summary spoke for all of them."""
    assert (await (await sweep(tmp_path)).run()).complete

    with pytest.raises(StateError) as caught:
        await sweep(tmp_path, **changes)
    assert str(caught.value) == (
        f"{tmp_path}/state: belongs to a sweep {theirs}, and this one is {ours}: "
        "repeat it as it was, or use another --state file"
    )


async def test_other_patterns_are_other_records(tmp_path: Path) -> None:
    assert (await (await sweep(tmp_path)).run()).complete
    _change(tmp_path / "state", {"fingerprints": "recog:/srv/patterns"})

    with pytest.raises(StateError, match="with --fingerprints recog:/srv/patterns, and this one is without --fing"):
        await sweep(tmp_path)


async def test_the_pace_may_change(tmp_path: Path) -> None:
    assert (await (await sweep(tmp_path)).run()).complete

    run = await sweep(tmp_path, rate=9.0, subnet_rate=3.0, concurrency=7, retries=2, connect_timeout_s=1.5)
    assert (await run.run()).document["connections"] == 0


def _change(state: Path, options: dict[str, object]) -> None:
    head = orjson.loads(unseal(state.read_bytes()[:-1]))
    head["identity"]["options"] |= options
    state.write_bytes(seal(orjson.dumps(head)) + b"\n")


async def test_books_that_do_not_balance_are_damage(tmp_path: Path) -> None:
    assert (await (await sweep(tmp_path)).run()).complete
    state = tmp_path / "state"
    head = orjson.loads(unseal(state.read_bytes()[:-1]))
    head["counts"]["statuses"][Status.REFUSED] = 7
    state.write_bytes(seal(orjson.dumps(head)) + b"\n")

    with pytest.raises(StateError, match="damaged: its counts are not those of the targets that it calls done"):
        await sweep(tmp_path)
    assert Saved.read(state) is not None
