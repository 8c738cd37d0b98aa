"""Claims about every command that reads a text: a mark in front of it, or UTF-16, changes nothing."""

import json
from pathlib import Path

import pytest

from scanner.analysis import read_records
from scanner.analysis.comparable import SweepSummary
from scanner.assess.facts import load_facts, shipped_facts
from scanner.cli.entry import run
from scanner.cli.smoke import _secret
from scanner.errors import InputError
from scanner.policy.file import default_document
from scanner.policy.loading import load_policy
from scanner.record import encode
from scanner.verification.baseline import read_headers
from tests.support.records import full_record
from tests.support.sweeps import write_summary

Output = pytest.CaptureFixture[str]
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-32")


@pytest.fixture(params=ENCODINGS)
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def saved(path: Path, text: str, encoding: str) -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def test_records_are_read(tmp_path: Path, encoding: str) -> None:
    line = encode(full_record()).decode()
    expected = tmp_path / "plain"
    expected.write_text(line + line)
    records = list(read_records(saved(tmp_path / "x.jsonl", line + line, encoding)))

    assert records == list(read_records(expected))
    assert len(records) == 2


def test_summaries_are_read(tmp_path: Path, encoding: str) -> None:
    text = write_summary(tmp_path / "s.json").read_text()

    assert SweepSummary(saved(tmp_path / "t.json", text, encoding)).document == json.loads(text)


def test_policies_are_read(tmp_path: Path, encoding: str) -> None:
    path = saved(tmp_path / "p.toml", default_document(), encoding)

    assert load_policy(path) == load_policy(saved(tmp_path / "q.toml", default_document(), "utf-8"))


def test_newer_facts_are_read(tmp_path: Path, encoding: str) -> None:
    document = {"format": shipped_facts().document["format"], "compiled": "2026-11-30", "vulnerabilities": []}
    path = saved(tmp_path / "facts.json", json.dumps(document), encoding)

    assert load_facts(path).compiled == max("2026-11-30", shipped_facts().compiled)


def test_lists_of_flaws_are_taken_in(tmp_path: Path, encoding: str, capsys: Output) -> None:
    feed = tmp_path / "feed"
    feed.mkdir()
    saved(feed / "nvd.json", '{"vulnerabilities": []}', encoding)

    assert run(["vulns", "--update", str(feed), "--data", str(tmp_path / "mine.json")]) == 0
    assert "1 file, " in capsys.readouterr().err


def test_delivered_headers_are_read(tmp_path: Path, encoding: str) -> None:
    text = "Received: from a (a [192.0.2.1]) by mx.example.com (8.14.7/8.14.7) with ESMTP id x; date\n\nbody\n"
    (leak,) = read_headers(saved(tmp_path / "m.eml", text, encoding)).leaks

    assert leak.by == "mx.example.com"


def test_headers_that_are_damaged_utf_16_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.eml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InputError, match=r"m\.eml: is not text"):
        read_headers(tmp_path / "m.eml")


def test_a_mark_is_not_part_of_a_password(tmp_path: Path) -> None:
    path = saved(tmp_path / "password", "secret\n", "utf-8-sig")
    path.chmod(0o600)

    assert _secret("--password", None, path) == "secret"


def test_a_configuration_of_options_is_read(tmp_path: Path, encoding: str, capsys: Output) -> None:
    path = saved(tmp_path / "c.toml", "rates = 5\n", encoding)

    assert run(["sweep", "--config", str(path)]) == 2
    assert capsys.readouterr().err.endswith("'rates' is not an option of 'smtpsweep sweep'; did you mean 'rate'?\n")
