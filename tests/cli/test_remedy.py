"""`smtpsweep remedy`: what it prints, writes, refuses and returns."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from scanner.cli.entry import run
from scanner.model import Record
from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.reader import ConfigKind
from scanner.remediation.sendmail.review import MAX_FILE_BYTES, review
from tests.support.foreign_files import give_away, names_in
from tests.support.sendmail_files import CF, DEBIAN_MC, GENERIC_MC, SUBMIT_MC, WRONG_NOTE
from tests.support.sweeps import visit, write

Capture = pytest.CaptureFixture[bytes]
CLEAN = GENERIC_MC.replace("MAILER(local)", "\n".join([*facts.MC_SETTINGS, "MAILER(local)"]))


def text_file(path: Path, text: str) -> str:
    path.write_bytes(text.encode("latin-1"))
    return str(path)


def test_a_leak_is_named_with_file_and_line_and_the_diff_goes_to_standard_output(
    tmp_path: Path, capsysbinary: Capture
) -> None:
    file = text_file(tmp_path / "sendmail.cf", CF)
    assert run(["remedy", "--cf", file]) == 1
    out, err = capsysbinary.readouterr()
    assert f"{file}:8: leak: greeting-version: the greeting shows the version".encode() in out
    assert b"\n    O SmtpGreetingMessage=$j Sendmail $v/$Z; $b; (No UCE/UBE)\n    -> write O Smtp" in out
    assert b"\n--- sendmail.cf\n+++ sendmail.cf.new\n" in out
    assert b"\n-O SmtpGreetingMessage=$j Sendmail $v/$Z; $b; (No UCE/UBE)\n+O SmtpGreetingMessage=$j\n" in out
    assert err == b"smtpsweep: 4 findings in 1 file\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sendmail.cf"]


def test_a_file_that_does_not_leak_is_exit_0_and_no_diff(tmp_path: Path, capsysbinary: Capture) -> None:
    assert run(["remedy", "--mc", text_file(tmp_path / "a.mc", CLEAN)]) == 0
    out, err = capsysbinary.readouterr()
    assert b"---" not in out
    assert b"note: help-unseen" in out
    assert err == b"smtpsweep: 0 findings in 1 file\n"


@pytest.mark.tools
def test_the_folder_holds_changed_files_that_patch_makes_from_the_diffs(tmp_path: Path, capsysbinary: Capture) -> None:
    texts = {"sendmail.mc": DEBIAN_MC.replace("\n", "\r\n"), "sendmail.cf": CF + WRONG_NOTE, "submit.mc": SUBMIT_MC}
    texts["submit.cf"] = CF.rstrip("\n").replace("V10", "# \xe9\rx\nV10")
    arguments = ["remedy", "-o", str(tmp_path / "plan")]
    for name, text in texts.items():
        option = "--" + name.removeprefix("sendmail.").replace(".", "-")
        arguments += [option, text_file(tmp_path / name, text)]
    assert run(arguments) == 1
    assert b"---" not in capsysbinary.readouterr().out
    assert sorted(path.name for path in (tmp_path / "plan").iterdir()) == sorted(
        ["README.md", "helpfile.hide", *(f"{name}.{end}" for name in texts for end in ("new", "diff"))]
    )
    assert (tmp_path / "plan/helpfile.hide").read_text() == facts.HELP_FILE_TEXT
    for name, text in texts.items():
        assert (tmp_path / name).read_bytes() == text.encode("latin-1")  # never in place
        subprocess.run(
            ["patch", "--binary", tmp_path / name, tmp_path / f"plan/{name}.diff"], check=True, capture_output=True
        )
        assert (tmp_path / name).read_bytes() == (tmp_path / f"plan/{name}.new").read_bytes()
    assert run(["remedy", "--mc", str(tmp_path / "plan/sendmail.mc.new")]) == 0


def test_the_steps_check_before_they_restart_and_end_with_the_way_back(tmp_path: Path) -> None:
    file = text_file(tmp_path / "sendmail.mc", DEBIAN_MC)
    assert run(["remedy", "--mc", file, "-o", str(tmp_path / "plan")]) == 1
    readme = (tmp_path / "plan/README.md").read_text()
    steps = [
        "cp -p /etc/mail/sendmail.cf /etc/mail/sendmail.cf.bak",
        "install -m 644 helpfile.hide /etc/mail/helpfile.hide",
        "m4 /etc/mail/sendmail.mc.new > /etc/mail/sendmail.cf.new",
        "sendmail -C /etc/mail/sendmail.cf.new -bt </dev/null; echo $?",
        "sendmail -C /etc/mail/sendmail.cf.new -d37.8 -bt </dev/null",
        "Addr=127.0.0.1,Port=2525",
        "mv /etc/mail/sendmail.cf.new /etc/mail/sendmail.cf",
        "kill -HUP",
        "cp -p /etc/mail/sendmail.cf.bak /etc/mail/sendmail.cf",
    ]
    places = [readme.index(step) for step in steps]
    assert places == sorted(places)
    assert "submit" not in readme
    numbers = [int(line[4]) for line in readme.splitlines() if line.startswith("### ")]
    assert numbers == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_submission_file_alone_needs_no_restart_and_no_second_port(tmp_path: Path) -> None:
    file = text_file(tmp_path / "submit.mc", SUBMIT_MC)
    assert run(["remedy", "--submit-mc", file, "-o", str(tmp_path / "plan")]) == 1
    readme = (tmp_path / "plan/README.md").read_text()
    assert "m4 /etc/mail/submit.mc.new > /etc/mail/submit.cf.new" in readme
    assert "HUP" not in readme
    assert "2525" not in readme
    assert "sendmail.cf" not in readme
    assert "### 6. If need be, go back" in readme


def test_the_help_file_is_looked_at_when_it_is_named(tmp_path: Path, capsysbinary: Capture) -> None:
    cf = text_file(tmp_path / "sendmail.cf", CF)
    ours = text_file(tmp_path / "ours", facts.HELP_FILE_TEXT)
    for path, expected in ((ours, None), ("/dev/null", b"help-missing"), (str(tmp_path / "none"), b"help-missing")):
        assert run(["remedy", "--cf", cf, "--helpfile", path]) == 1
        out = capsysbinary.readouterr().out
        assert (b"help-" in out) is (expected is not None)
        assert expected is None or expected in out
    assert run(["remedy", "--helpfile", ours]) == 0
    assert run(["remedy", "--helpfile", text_file(tmp_path / "old", "smtp\tx\n")]) == 1
    assert b"old: leak: help-old:" in capsysbinary.readouterr().out


HOSTILE = "<script>\x1b[31m]]>`{{ lookup('pipe','id') }}::error::\x85\x9b$v"


def test_what_stands_in_a_file_is_shown_as_printable_text_and_in_markdown_as_code(
    tmp_path: Path, capsysbinary: Capture
) -> None:
    file = text_file(tmp_path / "x\n# h\x1b.cf", CF.replace("$j Sendmail", HOSTILE))
    assert run(["remedy", "--cf", file, "-o", str(tmp_path / "plan")]) == 1
    out = capsysbinary.readouterr().out
    readme = (tmp_path / "plan/README.md").read_bytes()
    for shown in (out, readme):
        assert set(shown) <= {10, *range(32, 127)}
        assert rb"<script>\x1b[31m]]>`{{ lookup" in shown
    found = readme.decode().partition("## Found\n")[2].partition("## Steps")[0]
    assert all(line.startswith("    ") for line in found.splitlines() if line)


def test_a_very_long_line_is_cut_where_it_is_shown(tmp_path: Path, capsysbinary: Capture) -> None:
    assert run(["remedy", "--cf", text_file(tmp_path / "a", CF.replace("$j Send", "$j" + "x" * 99_999 + "Send"))]) == 1
    shown = capsysbinary.readouterr().out.partition(b"\n--- ")[0]
    assert max(map(len, shown.splitlines())) < 400


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to fix"),
        (["-o", "plan"], "nothing to fix"),
        (["s.jsonl"], "no output folder"),
        (["s.jsonl", "--mc", "a.mc", "-o", "plan"], "cannot be combined"),
        (["s.jsonl", "--helpfile", "h", "-o", "plan"], "cannot be combined"),
        (["s.jsonl", "-o", "plan", "--ansible", "book"], "cannot be combined"),
        (["--mc", "a.mc", "--ansible", "book"], "--ansible needs a sweep"),
        (["--ansible", "book"], "nothing to fix"),
        (["--mc", "a.mc", "--overwrite"], "--overwrite needs a folder"),
        (["--mc", "none.mc"], "none.mc: cannot be read (No such file"),
        (["--mc", "."], "is a directory"),
        (["--mc", "long"], "long: longer than 1 MiB"),
        (["--mc", "a.mc", "-o", "there"], "there: exists"),
        (["--mc", "a.mc", "-o", "dangling"], "dangling: exists"),
        (["--mc", "a.mc", "-o", "dangling", "--overwrite"], "dangling: cannot be written"),
        (["--mc", "a.mc", "-o", "a.mc/plan"], "cannot be written"),
        (["--mc", "there/sendmail.mc.new", "-o", "there", "--overwrite"], "would be overwritten"),
        (["--mc", "a.mc", "--helpfile", "there/helpfile.hide", "-o", "there", "--overwrite"], "would be overwritten"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    text_file(tmp_path / "a.mc", DEBIAN_MC)
    (tmp_path / "there").mkdir()
    text_file(tmp_path / "there/sendmail.mc.new", DEBIAN_MC)
    text_file(tmp_path / "there/helpfile.hide", "smtp\tx\n")
    (tmp_path / "dangling").symlink_to("nowhere/plan")
    text_file(tmp_path / "long", "\n" * (MAX_FILE_BYTES + 1))
    before = sorted(tmp_path.rglob("*"))
    assert run(["remedy", *arguments]) == 2
    out, err = capsysbinary.readouterr()
    assert out == b""
    assert message in err.decode()
    assert err.count(b"\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there/helpfile.hide").read_text() == "smtp\tx\n"


def test_overwrite_replaces_our_files_and_leaves_others_alone(tmp_path: Path) -> None:
    file, folder = text_file(tmp_path / "sendmail.mc", DEBIAN_MC), tmp_path / "plan"
    folder.mkdir()
    text_file(folder / "notes.txt", "mine")
    text_file(folder / "README.md", "old")
    assert run(["remedy", "--mc", file, "-o", str(folder), "--overwrite"]) == 1
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "README.md").read_text().startswith("# Sendmail")
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "helpfile.hide",
        "notes.txt",
        "sendmail.mc.diff",
        "sendmail.mc.new",
    ]


def test_a_folder_that_cannot_be_finished_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = text_file(tmp_path / "sendmail.mc", DEBIAN_MC)
    write_bytes = Path.write_bytes

    def full_disk(self: Path, data: bytes) -> int:
        if self.name == "sendmail.mc.diff":
            raise OSError(28, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    assert run(["remedy", "--mc", file, "-o", str(tmp_path / "plan")]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["sendmail.mc"]


def test_a_terminal_gets_no_control_characters_in_the_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = text_file(tmp_path / "sendmail.cf", CF.replace("$j Sendmail", "\x1b[31m\x9b$v"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["remedy", "--cf", file]) == 1
    out = capsys.readouterr().out
    assert r"-O SmtpGreetingMessage=\x1b[31m\x9b$v" in out
    assert "\x1b" not in out
    assert review({ConfigKind.SENDMAIL_CF: Path(file)}).diff.count(b"\x1b[31m\x9b") == 1  # patch(1) needs the bytes


@dataclass
class Written:
    """What a fake writer was given."""

    records: list[Record] = field(default_factory=list)
    folder: Path | None = None
    overwrite: bool | None = None

    def __call__(self, records: Iterable[Record], folder: Path, *, overwrite: bool) -> "Written":
        self.records, self.folder, self.overwrite = list(records), folder, overwrite
        return self

    def describe(self) -> str:
        return f"{len(self.records)} records"


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Written]:
    def install(module: str, function: str) -> Written:
        fake, written = ModuleType(module), Written()
        setattr(fake, function, written)
        monkeypatch.setitem(sys.modules, module, fake)
        return written

    return install


@pytest.mark.parametrize(("option", "name"), [("-o", "plans"), ("--ansible", "playbook")])
def test_sweeps_become_plans_or_a_playbook(
    option: str, name: str, tmp_path: Path, writer: Callable[[str, str], Written], capsysbinary: Capture
) -> None:
    module = {"plans": "plans.writing", "playbook": "ansible.playbook"}[name]
    written = writer(f"scanner.remediation.{module}", f"write_{name}")
    for number in (1, 2):
        assert run(["identify", "--text", f"220 h{number} ESMTP Sendmail 8.14.7/8.13.8"]) == 0
        (tmp_path / f"{number}.jsonl").write_bytes(capsysbinary.readouterr().out)
    files = [str(tmp_path / f"{number}.jsonl") for number in (1, 2)]
    assert run(["remedy", *files, option, str(tmp_path / "out"), "--overwrite"]) == 0
    assert [record.banner and record.banner.hostname for record in written.records] == ["h1", "h2"]
    assert (written.folder, written.overwrite) == (tmp_path / "out", True)
    assert capsysbinary.readouterr() == (b"", b"smtpsweep: 2 records\n")
    (tmp_path / "2.jsonl").write_bytes(b"{}\n")
    assert run(["remedy", *files, option, str(tmp_path / "out")]) == 2
    assert b"2.jsonl:1:" in capsysbinary.readouterr().err


@pytest.mark.parametrize("option", ["-o", "--ansible"])
def test_a_sweep_in_the_folder_that_is_replaced_is_not_lost(tmp_path: Path, option: str, capsysbinary: Capture) -> None:
    sweep, folder = write(tmp_path / "sweep.jsonl", [visit("192.0.2.1", "Sendmail", "8.14.7")]), tmp_path / "plan"
    assert run(["remedy", str(sweep), option, str(folder)]) == 0
    kept = sweep.rename(folder / "sweep.jsonl")
    before = kept.read_bytes()
    capsysbinary.readouterr()

    assert run(["remedy", str(kept), option, str(folder), "--overwrite"]) == 2
    assert b"would overwrite FILE " in capsysbinary.readouterr().err
    assert kept.read_bytes() == before


def test_the_files_of_a_review_follow_no_prepared_link(tmp_path: Path) -> None:
    file, plan = text_file(tmp_path / "sendmail.mc", DEBIAN_MC), tmp_path / "plan"
    (tmp_path / "victim").write_bytes(b"precious")
    plan.mkdir()
    for name in ("sendmail.mc.new", f".sendmail.mc.new.{os.getpid()}"):
        (plan / name).symlink_to(tmp_path / "victim")

    assert run(["remedy", "--mc", file, "-o", str(plan), "--overwrite"]) == 1
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (plan / "sendmail.mc.new").is_symlink()


@pytest.mark.root
def test_a_folder_of_another_user_gets_no_review(tmp_path: Path, capsysbinary: Capture) -> None:
    file, plan = text_file(tmp_path / "sendmail.mc", DEBIAN_MC), tmp_path / "plan"
    plan.mkdir()
    give_away(plan)

    assert run(["remedy", "--mc", file, "-o", str(plan), "--overwrite"]) == 2
    assert b"it belongs to another user" in capsysbinary.readouterr().err
    assert names_in(plan) == []
