"""Claims about every command that reads JSON: a document nested deeply, or with endless digits, is one line."""

import json
from pathlib import Path

import pytest

from scanner.cli.entry import run
from scanner.record import encode
from tests.support.records import full_record

Output = pytest.CaptureFixture[str]
DEPTHS = (300, 1_000, 100_000)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.fixture
def record() -> dict[str, object]:
    document: dict[str, object] = json.loads(encode(full_record()))
    return document


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("key", ["x", "software", "findings", "timing"])
@pytest.mark.parametrize(
    "line",
    [
        ["convert", "FILE", "--format", "ecs", "-o", "out", "--quiet"],
        ["diff", "FILE", "FILE"],
        ["policy", "check", "FILE"],
        ["remedy", "FILE", "-o", "plan"],
        ["verify", "--before", "FILE", "-x", "0.0.0.0/0"],
        ["identify", "FILE", "--format", "zgrab2"],
    ],
    ids=lambda line: line[0],
)
def test_records_nested_deeply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, record: dict[str, object], line: list[str],
    key: str, depth: int,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    record[key] = "@"
    (tmp_path / "in.jsonl").write_text(json.dumps(record).replace('"@"', nested(depth)) + "\n")

    code = run(["in.jsonl" if word == "FILE" else word for word in line])

    err = capsys.readouterr().err
    assert code in (0, 1, 2)  # a key that nobody knows is passed over, where the depth is one that can be read
    assert code == 2 or key == "x" or line[0] == "identify"
    assert code != 2 or (err.startswith("smtpsweep: ") and err.count("\n") == 1)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "line",
    [
        ["policy", "check", "ok.jsonl", "--summary", "deep.json"],
        ["diff", "ok.jsonl", "ok.jsonl", "--summary-before", "deep.json", "--summary-after", "deep.json"],
        ["vulns", "--update", "deep.json"],
        ["sweep", "127.0.0.1", "-p", "1", "--state", "deep.json", "--quiet"],
    ],
    ids=lambda line: line[0],
)
def test_other_documents_nested_deeply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output, line: list[str], depth: int
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "ok.jsonl").write_bytes(encode(full_record()))
    (tmp_path / "deep.json").write_text(nested(depth))

    assert run(line) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("smtpsweep: deep.json: ")
