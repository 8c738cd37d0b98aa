"""Claims about `smtpsweep replay --sink URL`: who is served beside the sinks of the run, never for them."""

import re
import shlex
from pathlib import Path

import click.testing
import pytest

from scanner.cli.replay import _Progress, replay
from scanner.delivery.relay.destination import make_destinations
from scanner.delivery.relay.statistics import RelayStatistics
from scanner.delivery.relay.stored_run import StoredRun
from scanner.delivery.spool import Known, Quota, RunFolder, SpoolWriter, read_cursor
from tests.support.receivers_fake import provided, taken
from tests.support.spooled_records import record


@pytest.fixture(autouse=True)
def their_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(provided(tmp_path / "site")))


@pytest.fixture
async def folder(tmp_path: Path) -> RunFolder:
    """Make a run of five records, with the sinks `scriptfile-1` and `scriptfile-2`, which have got nothing."""
    folder = RunFolder(tmp_path / "run")
    folder.create()
    log = SpoolWriter(folder, Quota())
    await log.open(None, "run-1")
    await log.write([record(number) for number in range(1, 6)])
    await log.close()
    sinks = [
        {"name": one.name, "url": one.url, "shown": one.shown, "policy": one.policy.value}
        for one in make_destinations([url(tmp_path / "one"), url(tmp_path / "two")])
    ]
    folder.write_description({"run": "run-1", "sinks": sinks, "made": True, "state": None})
    return folder


def url(out: Path, options: str = "") -> str:
    return f"scriptfile://h{out}{options}"


def run(folder: RunFolder, *options: str) -> click.testing.Result:
    return click.testing.CliRunner().invoke(replay, [str(folder.path), *options], standalone_mode=False)


@pytest.mark.parametrize("options", ["", "?name=scriptfile-1"])
def test_who_is_served_beside_the_sinks_is_not_taken_for_one_of_them(
    options: str, folder: RunFolder, tmp_path: Path
) -> None:
    done = run(folder, "--sink", url(tmp_path / "other", options))

    assert done.return_value == 0
    assert re.match(r"scriptfile(-1)?-[0-9a-f]{12}: 5 delivered$", done.output)
    assert taken(tmp_path / "other") == [1, 2, 3, 4, 5]
    assert [one.waiting for one in StoredRun(folder).standings()] == [5, 5]
    assert read_cursor(folder.sinks / "scriptfile-1.cursor", "run-1").sequence == 0


def test_what_the_sinks_of_the_run_have_is_not_kept_from_another(folder: RunFolder, tmp_path: Path) -> None:
    assert run(folder, "--keep-run").return_value == 0
    for name in ("other", "another"):
        done = run(folder, "--sink", url(tmp_path / name, "?name=beside"))

        assert done.return_value == 0
        assert taken(tmp_path / name) == [1, 2, 3, 4, 5]
    assert (folder.path / "run.json").exists()  # nobody has asked for its end


def test_the_url_of_a_sink_of_the_run_is_that_sink(folder: RunFolder, tmp_path: Path) -> None:
    assert run(folder, "--sink", url(tmp_path / "two")).output == "scriptfile-2: 5 delivered\n"
    assert [one.waiting for one in StoredRun(folder).standings()] == [5, 0]


def test_the_command_that_is_told_runs_as_printed(folder: RunFolder, tmp_path: Path) -> None:
    down = tmp_path / "other.down"
    down.touch()
    done = run(folder, "--sink", url(tmp_path / "other"), "--drain", "0.1s")
    assert done.return_value == 3
    found = re.search(r"they are kept: smtpsweep replay (.*) delivers them", done.output)
    assert found is not None
    down.unlink()

    again = click.testing.CliRunner().invoke(replay, shlex.split(found[1]), standalone_mode=False)

    assert again.return_value == 0
    assert taken(tmp_path / "other") == [1, 2, 3, 4, 5]


def test_a_sink_that_fails_does_not_keep_the_others_from_being_served(folder: RunFolder, tmp_path: Path) -> None:
    folder.sinks.mkdir(exist_ok=True)
    (folder.sinks / "scriptfile-1.cursor").write_bytes(b"damaged")

    done = run(folder)

    assert done.return_value == 3
    assert taken(tmp_path / "two") == [1, 2, 3, 4, 5]
    assert "scriptfile-1.cursor: is damaged" in done.output
    assert (folder.path / "run.json").exists()


def test_progress_counts_records_and_not_the_notes_of_the_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scanner.cli.replay._SAY_EVERY_S", 0.0)
    now = statistics(sequence=100, last=258)

    _Progress(Known(last=258, notes=[1, 258]), quiet=False).say(now)

    assert "siem: 99 of 256 records, HTTP 503" in "".join(capfd.readouterr())


def statistics(sequence: int, last: int) -> RelayStatistics:
    from scanner.delivery.relay.breaker import BreakerState  # noqa: PLC0415
    from scanner.delivery.relay.statistics import OverflowPolicy, RelayState  # noqa: PLC0415

    return RelayStatistics("siem", RelayState.RETRYING, OverflowPolicy.SPOOL, sequence, last, 0, 0, 0, 0, 0, 0, {},
                           BreakerState.OPEN, None, "HTTP 503", None)  # fmt: skip
