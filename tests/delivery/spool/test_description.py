"""Claims about `delivery.spool.description`: a damaged `run.json` is refused in one line, and nothing is removed."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.cli.entry import run
from scanner.delivery.relay.stored_run import StoredRun
from scanner.delivery.spool import Quota, RunFolder, SpoolWriter
from scanner.delivery.spool.description import packed, unpacked
from scanner.errors import InputError
from scanner.files.sealed import seal

SINK = {"name": "siem", "url": "syslog+tcp://127.0.0.1:9", "shown": "syslog+tcp://127.0.0.1:9", "policy": "spool"}
WHOLE: dict[str, Any] = {"run": "r", "sinks": [SINK, {**SINK, "name": "b"}], "made": True, "state": None}


async def a_run(path: Path) -> RunFolder:
    """Make a run of one record that nobody has got."""
    folder = RunFolder(path)
    folder.create()
    log = SpoolWriter(folder, Quota())
    await log.open(None, "r")
    await log.write([b'{"n":1}\n'])
    await log.close()
    folder.write_description(WHOLE)
    return folder


def test_what_was_written_is_read() -> None:
    assert unpacked(packed(WHOLE)) == {"schema": "smtpsweep.run-log/2", **WHOLE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"sinks":[', b'"sinks":[],"was":['),
        (b'"name":"b"', b'"name":"c"'),
        (b'"made":true', b'"removing":true'),
        (b'"sinks"', b'"sink"'),
        (b',"crc32":"', b',"crc":"'),
    ],
)
async def test_who_is_served_and_what_is_removed_is_not_believed_of_a_changed_file(
    tmp_path: Path, old: bytes, new: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = await a_run(tmp_path / "run")
    file = folder.path / "run.json"
    assert old in file.read_bytes()
    file.write_bytes(file.read_bytes().replace(old, new))
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}

    assert run(["replay", str(folder.path)]) == 2
    said = capsys.readouterr().err
    assert "run.json: is damaged: it" in said
    assert said.count("\n") == 1
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"run": ""}, "it has no run id"),
        ({"run": 1}, "it has no run id"),
        ({"state": 1}, "its state is not the name of a file"),
        ({"made": 1}, "made and removing are true or false"),
        ({"sinks": "x"}, "it has no list of sinks"),
        ({"sinks": None}, "it has no list of sinks"),
        ({"sinks": ["x"]}, "one of its sinks is not a sink"),
        ({"sinks": [{**SINK, "url": None}]}, "one of its sinks is not a sink"),
        ({"sinks": [{**SINK, "name": "../../../evil"}]}, "one of its sinks is not a sink"),
        ({"sinks": [SINK, SINK]}, "two of its sinks have the same name"),
    ],
)
def test_what_has_another_shape_is_damaged_whatever_its_checksum_says(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^is damaged: {problem}$"):
        unpacked(packed({**WHOLE, **changed}))


@pytest.mark.parametrize("raw", [b"", b"\0" * 100, packed(WHOLE)[:-20]])
def test_what_is_torn_is_no_description(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpacked(raw)


async def test_a_run_without_sinks_is_not_one_whose_every_sink_has_everything(tmp_path: Path) -> None:
    folder = await a_run(tmp_path / "run")
    raw = seal(orjson.dumps({"schema": "smtpsweep.run-log/2", "run": "r", "sinks": []}))
    (folder.path / "run.json").write_bytes(raw + b"\n")

    assert run(["replay", str(folder.path)]) == 2
    assert folder.segment(1).exists()
    with pytest.raises(InputError, match=r"run\.json: is damaged: the run has no sinks$"):
        StoredRun(folder)
