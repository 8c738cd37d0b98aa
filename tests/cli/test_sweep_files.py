"""Claims about the files of a sweep: no output destroys another, an input, or what is not ours."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner

from scanner.cli import options
from scanner.cli.config import CONFIG_FILE
from scanner.cli.sweep_files import checked_files
from scanner.cli.sweep_request import SweepRequest
from scanner.errors import InputError
from scanner.sweeps.summary import Summary
from tests.support.command_line import ROOT, smtpsweep
from tests.support.foreign_files import mode_of, names_in
from tests.support.state_files import IDENTITY, running

#: A sweep that is not refused ends at once, without a record, and its one target is a closed port of this machine.
QUICK = ("sweep", "127.0.0.1", "-p", "1", "--connect-timeout", "1", "--retries", "0", "-q")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def request(*outputs: str, **given: Any) -> SweepRequest:
    given = {
        name: Path(value) if isinstance(value, str) and name.endswith("_file") else value
        for name, value in given.items()
    }
    return SweepRequest(**{"targets": ("127.0.0.1",), "outputs": outputs, **given})


def summary(scan: str) -> bytes:
    return orjson.dumps({"schema": "smtpsweep.summary/1", "scan_id": scan})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (request("file:///{here}/a.json", summary_file="a.json"), "-o "),
        (request("file://localhost{here}/%61.json", summary_file="a.json"), "-o "),
        (request("b.jsonl", "hard.jsonl"), "-o b.jsonl would overwrite -o hard.jsonl"),
        (request("b.jsonl", summary_file="hard.jsonl"), "-o b.jsonl would overwrite --summary hard.jsonl"),
        (request("b.jsonl", metrics_file="soft.jsonl"), "-o b.jsonl would overwrite --metrics-file soft.jsonl"),
        (request("x.jsonl", summary_file="x.0001.jsonl", rotate_size=9), "would overwrite --summary x.0001.jsonl"),
        (request("x.jsonl.gz", state=Path("x.0012.jsonl.gz"), rotate_size=9), "-o x.jsonl.gz would overwrite --state"),
        (request("x.jsonl", "x.0001.jsonl", rotate_size=9), "-o x.jsonl would overwrite -o x.0001.jsonl"),
        (request("b.jsonl", state=Path("hard.jsonl")), "-o b.jsonl would overwrite --state hard.jsonl"),
        (request(summary_file="m", metrics_file="M"), "--summary m would overwrite --metrics-file M"),
        (request("t.jsonl", targets=("@t.jsonl",)), "-o t.jsonl would overwrite TARGETS t.jsonl"),
        (request("t.jsonl", exclude=("@t.jsonl",)), "-o t.jsonl would overwrite --exclude t.jsonl"),
        (request("t.jsonl", exclude_file=(Path("t.jsonl"),)), "-o t.jsonl would overwrite --exclude-file t.jsonl"),
        (request("syslog+tcp://127.0.0.1:9", run_folder=Path("r"), summary_file="r/s.json"), "overwrite --run r"),
        (request("syslog+tcp://127.0.0.1:9", state=Path("s"), summary_file="s.run/a"), "would overwrite --run s.run"),
        (
            request("splunk+https://h:8088?token_file=tok.json", summary_file="tok.json"),
            "--summary tok.json would overwrite -o splunk+https://... token_file tok.json",
        ),
    ],
)
def test_an_output_that_is_another_file_of_the_sweep_is_refused(tmp_path: Path, given: SweepRequest, said: str) -> None:
    Path("b.jsonl").write_bytes(b"records")
    Path("hard.jsonl").hardlink_to("b.jsonl")
    Path("soft.jsonl").symlink_to("b.jsonl")
    Path("r").mkdir()
    Path("s.run").mkdir()
    outputs = tuple(
        output.replace("/{here}", str(tmp_path)).replace("{here}", str(tmp_path)) for output in given.outputs
    )
    before = names_in(tmp_path)
    with pytest.raises(InputError, match="would overwrite") as caught:
        checked_files(replace(given, outputs=outputs))
    assert said in str(caught.value)
    assert names_in(tmp_path) == before
    assert Path("b.jsonl").read_bytes() == b"records"


def test_the_configuration_and_the_database_are_inputs() -> None:
    Path("c.json").touch()
    with click.Context(click.Command("sweep")) as context:
        context.meta[CONFIG_FILE] = Path("c.json")
        with pytest.raises(InputError, match=r"--summary c\.json would overwrite --config c\.json"):
            checked_files(request(summary_file="c.json"))
    with pytest.raises(InputError, match=r"--summary smtp_banners.xml would overwrite --fingerprints"):
        checked_files(request(summary_file="smtp_banners.xml"), "recog:.")


def test_a_redirection_is_an_output_and_an_input_too(tmp_path: Path) -> None:
    Path("t.json").write_bytes(b"127.0.0.1\n")
    program = f"{sys.executable} -m scanner {' '.join(QUICK)}"
    for command in (f"{program} --summary a.json > a.json", f"{program} - --summary t.json --overwrite -o b < t.json"):
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 2
        assert b"would overwrite standard" in done.stderr or b"standard output would overwrite" in done.stderr
    assert Path("t.json").read_bytes() == b"127.0.0.1\n"


def test_files_that_differ_are_let_alone() -> None:
    given = request("a.jsonl", "-", "b.jsonl", "/dev/null", state=Path("s"), summary_file="s.json", metrics_file="m")
    files = checked_files(given)
    assert files.summary is not None
    assert files.metrics is not None
    none = checked_files(request("nats://127.0.0.1/a?token_env=A&credentials_file=c", "other://x"))
    none.write_summary(Summary(complete=True, reason=None, document={}))
    assert names_in(Path()) == []


@pytest.mark.parametrize("content", [b"thesis", b'{"schema":"smtpsweep.summary/1","scan_id":"other"}', b"[1]", b"{}"])
@pytest.mark.parametrize("if_exists", [None, "append"])
def test_a_summary_that_is_there_is_kept_unless_it_is_of_the_same_scan(content: bytes, if_exists: Any) -> None:
    Path("s.json").write_bytes(content)
    with running(Path("state")):
        pass
    with pytest.raises(InputError, match=r"^--summary s\.json: exists: use --overwrite, another name, or the --state"):
        checked_files(request(summary_file="s.json", state=Path("state"), if_exists=if_exists))
    assert Path("s.json").read_bytes() == content


def test_a_summary_of_the_scan_that_is_resumed_is_replaced() -> None:
    Path("s.json").write_bytes(summary(IDENTITY.scan_id))
    with running(Path("state")):
        pass
    files = checked_files(request(summary_file="s.json", state=Path("state")))
    files.write_summary(Summary(complete=True, reason=None, document={"a": 1}))
    assert Path("s.json").read_bytes() == b'{\n  "a": 1\n}\n'
    assert mode_of(Path("s.json")) == 0o600
    with pytest.raises(InputError, match="exists"):
        checked_files(request(summary_file="s.json"))


@pytest.mark.parametrize("content", [b"", b"thesis"])
def test_overwrite_and_emptiness_allow_a_summary(content: bytes) -> None:
    Path("s.json").write_bytes(content)
    Path("m.prom").write_bytes(content)
    checked_files(request(summary_file="s.json", metrics_file="m.prom", if_exists="overwrite" if content else None))


def test_only_metrics_are_replaced_by_metrics() -> None:
    Path("m.prom").write_bytes(b"# HELP smtpsweep_targets_planned Targets of the plan.\n")
    checked_files(request(metrics_file="m.prom"))
    Path("m.prom").write_bytes(b"# HELP node_load1 ...\n")
    with pytest.raises(InputError, match=r"^--metrics-file m\.prom: exists: use --overwrite, or another name$"):
        checked_files(request(metrics_file="m.prom"))


@pytest.mark.parametrize("option", ["summary_file", "metrics_file"])
@pytest.mark.parametrize("name", ["a.csv", "a.JSONL", "a.json.gz", "a.xml", "A.ZST"])
def test_a_name_that_promises_something_else_is_refused(option: str, name: str) -> None:
    with pytest.raises(InputError, match=f"^--{option.replace('_', '-').removesuffix('-file')}.*: its name promises"):
        checked_files(request(**{option: name}))


@pytest.mark.parametrize("option", ["--state", "--summary", "--metrics-file"])
@pytest.mark.parametrize("kind", ["fifo", "dangling"])
def test_a_fifo_or_a_link_to_nothing_is_refused_at_once(tmp_path: Path, option: str, kind: str) -> None:
    place = tmp_path / "place"
    os.mkfifo(place) if kind == "fifo" else place.symlink_to("nothing")
    done = smtpsweep(*QUICK, option, "place", "-o", "out.jsonl", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "it is not a regular file" in done.err or "it is a symbolic link" in done.err
    assert names_in(tmp_path) == ["place"]


def test_append_and_overwrite_contradict_each_other(tmp_path: Path) -> None:
    Path("a.jsonl").write_bytes(b"{}\n")
    done = smtpsweep(*QUICK, "--append", "--overwrite", "-o", "a.jsonl", cwd=tmp_path)
    assert done.code == 2
    assert "--append and --overwrite contradict each other: use one of them" in done.err
    assert Path("a.jsonl").read_bytes() == b"{}\n"


def test_both_in_a_configuration_contradict_each_other_too() -> None:
    @click.command()
    @options.output_options
    def command(**_: Any) -> None:
        pytest.fail("must not be called")

    Path("c.toml").write_text("append = true\noverwrite = true\n")
    done = CliRunner().invoke(command, ["--config", "c.toml"])
    assert done.exit_code == 2
    assert "contradict" in done.output


def test_records_and_summary_in_one_file_are_refused_before_anything_is_visited(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/x.jsonl"
    for names in (("-o", url, "--summary", "x.jsonl"), ("-o", "x.jsonl", "--summary", "./x.jsonl")):
        done = smtpsweep(*QUICK, *names, cwd=tmp_path)
        assert (done.code, names_in(tmp_path)) == (2, [])
