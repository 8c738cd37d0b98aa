"""Claims about `smtpsweep policy`, run as a user runs it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator
from junitparser import JUnitXml

from scanner.cli import policy as command
from scanner.cli.entry import run
from scanner.errors import InputError
from scanner.model import Record, Status
from scanner.policy.file import default_document
from scanner.policy.loading import load_policy, read_addresses
from scanner.record import encode
from tests.support.command_line import smtpsweep
from tests.support.greetings import NO_PRODUCT, SENDMAIL_8_14
from tests.support.policy_records import dialogue_of, record_of

Output = pytest.CaptureFixture[str]
SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "sarif-schema-2.1.0.json").read_text("utf-8"))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of its own, on a day on which the certificates of the records are good."""

    class Clock:
        @staticmethod
        def now(_: object) -> datetime:
            return datetime(2026, 11, 23, tzinfo=UTC)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(command, "datetime", Clock)


def store(*records: Record, name: str = "sweep.jsonl") -> str:
    Path(name).write_bytes(b"".join(map(encode, records)))
    return name


def clean(**changes: Any) -> Record:
    return record_of(NO_PRODUCT, dialogue=dialogue_of(), **changes)


def leaky(**changes: Any) -> Record:
    return record_of(SENDMAIL_8_14, dialogue=dialogue_of(), **changes)


def unseen(status: Status = Status.REFUSED) -> Record:
    return record_of(b"", status=status)


def summary(name: str = "summary.json", **changes: Any) -> str:
    made = {"schema": "smtpsweep.summary/1", "scan_id": "0199-scan", "planned": 5, "excluded": 1, "statuses": {}}
    Path(name).write_text(json.dumps(made | changes))
    return name


def test_a_clean_sweep_ends_with_0(capsys: Output) -> None:
    assert run(["policy", "check", store(clean())]) == 0

    out, err = capsys.readouterr()
    assert err == "smtpsweep: 0 violations, 0 warnings\n"
    assert "no-version-in-help" in out
    assert "why" not in out


def test_a_violation_ends_with_1_and_shows_its_evidence(capsys: Output) -> None:
    assert run(["policy", "check", store(clean(), leaky(ip="192.0.2.66"))]) == 1

    out, err = capsys.readouterr()
    assert err == "smtpsweep: 1 violation, 1 warning\n"
    assert "192.0.2.66:25" in out
    assert "ESMTP Sendmail 8.14.7/8.13.8" in out


def test_too_little_coverage_ends_with_3_and_violations_outweigh_it(capsys: Output) -> None:
    assert run(["policy", "check", store(clean(), unseen())]) == 3
    assert capsys.readouterr().err == "smtpsweep: 0 violations, 0 warnings, NOT ENOUGH COVERAGE\n"

    assert run(["policy", "check", store(leaky(), unseen())]) == 1
    assert capsys.readouterr().err == "smtpsweep: 1 violation, 1 warning, NOT ENOUGH COVERAGE\n"


def test_a_sweep_without_dialogues_is_no_pass(capsys: Output) -> None:
    assert run(["policy", "check", store(record_of(NO_PRODUCT))]) == 3

    assert "sweep with --probe dialogue" in " ".join(capsys.readouterr().out.replace("│", "").split())


def test_an_empty_file_is_no_pass() -> None:
    assert run(["policy", "check", store()]) == 3


def test_several_files_are_one_check_and_standard_input_is_one(tmp_path: Path) -> None:
    store(leaky(), name="a.jsonl")
    done = smtpsweep("policy", "check", "a.jsonl", "-", cwd=tmp_path, stdin=encode(clean()).decode())

    assert done.code == 1
    assert "2 of 2 hosts" not in done.err
    assert done.err == "smtpsweep: 1 violation, 1 warning\n"


def test_a_policy_decides(capsys: Output) -> None:
    Path("p.toml").write_text(
        """version = 1
        [rules.no-version-in-greeting]
        level = "warning"
        [[ranges]]
        addresses = ["192.0.2.0/28", "198.51.100-101.1", "2001:db8::/32"]
        rules.no-version-in-greeting.level = "error"
        """
    )

    assert run(["policy", "check", store(leaky(ip="192.0.2.66")), "--policy", "p.toml"]) == 0
    assert capsys.readouterr().err == "smtpsweep: 0 violations, 2 warnings\n"
    for inside in ("192.0.2.15", "198.51.101.1", "2001:db8::1"):
        assert run(["policy", "check", store(leaky(ip=inside)), "--policy", "p.toml"]) == 1


WAIVER = """version = 1
[[waivers]]
rule = "no-version-in-greeting"
addresses = ["192.0.2.0/24"]
owner = "mail team"
reason = "appliance"
expires = 2027-01-31
"""


def test_a_waiver_holds_until_its_day() -> None:
    Path("p.toml").write_text(WAIVER)
    arguments = ["policy", "check", store(leaky()), "--policy", "p.toml"]

    assert run(arguments) == 0
    assert run([*arguments, "--date", "2027-01-31"]) == 0
    assert run([*arguments, "--date", "2027-02-01"]) == 1


def test_the_summary_says_what_was_never_visited(capsys: Output) -> None:
    sweep = store(*(clean() for _ in range(4)))
    assert run(["policy", "check", sweep, "--summary", summary()]) == 0

    assert run(["policy", "check", sweep, "--summary", summary(planned=50)]) == 3
    assert "4 of 49 hosts were seen (8.2%), 95.0% are required; not seen: 45 no record" in capsys.readouterr().out


def test_of_whole_networks_the_empty_addresses_can_be_left_out() -> None:
    Path("p.toml").write_text('version = 1\n[coverage]\nignore = ["refused"]')
    sweep, counts = store(clean(), clean()), summary(planned=256, excluded=0, statuses={"refused": 254, "ready": 2})

    assert run(["policy", "check", sweep, "--summary", counts]) == 3
    assert run(["policy", "check", sweep, "--summary", counts, "--policy", "p.toml"]) == 0


def test_sweeps_and_summaries_belong_together(capsys: Output) -> None:
    other = store(clean(scan_id="other"), name="other.jsonl")

    assert run(["policy", "check", other, "--summary", summary()]) == 2
    assert (
        "other.jsonl: has records of the sweep 'other', but no --summary of that sweep was given"
        in capsys.readouterr().err
    )
    two = ["--summary", summary(), "--summary", summary("2.json", scan_id="other", planned=1, excluded=0)]
    assert run(["policy", "check", other, store(*(clean() for _ in range(4))), *two]) == 0
    assert run(["policy", "check", other, *two[:2], *two[:2]]) == 2
    assert "is a second summary of one sweep: give one for each sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{", "is not a summary of a sweep (smtpsweep.summary/1)"),
        ("[]", "is not a summary"),
        ('{"schema": "smtpsweep.record/1"}', "is not a summary"),
        ('{"schema": "smtpsweep.summary/1", "statuses": {}}', "its counts are damaged"),
        ('{"schema": "smtpsweep.summary/1", "planned": 1, "excluded": 0}', "its counts are damaged"),
        ('{"schema": "smtpsweep.summary/1", "planned": -1, "excluded": 0, "statuses": {}}', "its counts are damaged"),
        ('{"schema": "smtpsweep.summary/1", "planned": "1", "excluded": 0, "statuses": {}}', "its counts are damaged"),
    ],
)
def test_what_is_no_summary_is_refused(capsys: Output, text: str, wanted: str) -> None:
    Path("s.json").write_text(text)

    assert run(["policy", "check", store(clean()), "--summary", "s.json"]) == 2
    assert f"smtpsweep: s.json: {wanted}" in capsys.readouterr().err


def test_all_reports_of_one_reading_agree(capsys: Output) -> None:
    sweep = store(clean(), leaky(), unseen())
    assert run(["policy", "check", sweep, "--junit", "r.xml", "--sarif", "r.sarif", "--json"]) == 1

    verdicts = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [each for each in verdicts if each["outcome"] == "failed"]
    (suite,) = JUnitXml.fromfile("r.xml")
    document = json.loads(Path("r.sarif").read_text())
    Draft4Validator(SCHEMA).validate(document)
    assert suite.tests == len(verdicts) == 15
    assert suite.failures == len([each for each in failed if each["level"] == "error"]) == 2
    assert [each["rule"] for each in failed] == [each["ruleId"] for each in document["runs"][0]["results"]]
    assert [each["rule"] for each in failed] == ["no-version-in-greeting", "no-product-in-greeting", "coverage"]


def test_annotations_take_the_place_of_the_table(capsys: Output) -> None:
    assert run(["policy", "check", store(leaky()), "--github"]) == 1

    out = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in out] == ["::error", "::warning", "::notice"]


@pytest.mark.parametrize("evil", [b"::error::forged", b"\r\n::error::x", b"<script>]]>", b"\x1b[31m", b"{{ x }} `id`"])
def test_a_hostile_greeting_is_text_in_every_report(capsys: Output, evil: bytes) -> None:
    sweep = store(record_of(b"220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8; " + evil + b"\r\n"))
    for kind in ("--github", "--json", "--overwrite"):
        assert run(["policy", "check", sweep, kind, "--junit", "r.xml", "--sarif", "r.sarif", "--overwrite"]) == 1
        out = capsys.readouterr().out
        assert out.replace("\n", "").isprintable()
        starts = [line.split(" ")[0] for line in out.splitlines() if line.lstrip().startswith("::")]
        assert set(starts) <= {"::error", "::warning", "::notice"}
        assert len(starts) == (5 if kind == "--github" else 0)
    (suite,) = JUnitXml.fromfile("r.xml")
    assert suite.tests == 9
    Draft4Validator(SCHEMA).validate(json.loads(Path("r.sarif").read_text()))


def test_a_broken_record_leaves_no_report(capsys: Output) -> None:
    with Path(store(leaky())).open("ab") as sweep:
        sweep.write(b"{}\n")

    assert run(["policy", "check", "sweep.jsonl", "--junit", "r.xml", "--sarif", "r.sarif"]) == 2
    assert capsys.readouterr().err.startswith("smtpsweep: sweep.jsonl:2: ")
    assert sorted(path.name for path in Path().iterdir()) == ["sweep.jsonl"]


def test_a_report_that_exists_needs_overwrite(capsys: Output) -> None:
    Path("r.xml").write_text("precious")

    assert run(["policy", "check", store(leaky()), "--junit", "r.xml"]) == 2
    assert capsys.readouterr().err == "smtpsweep: r.xml: exists: use --overwrite, or another name\n"
    assert Path("r.xml").read_text() == "precious"
    assert run(["policy", "check", store(leaky()), "--junit", "r.xml", "--overwrite"]) == 1
    assert Path("r.xml").read_text().startswith("<?xml")


@pytest.mark.parametrize("option", ["--junit", "--sarif"])
def test_a_report_never_takes_the_place_of_what_it_is_made_from(capsys: Output, option: str) -> None:
    sweep, counts = store(leaky()), summary()
    Path("p.toml").write_text(default_document())
    Path("link.jsonl").symlink_to(sweep)
    before = Path(sweep).read_bytes()

    for place in (sweep, "./sweep.jsonl", "link.jsonl", counts, "p.toml"):
        files = ["policy", "check", sweep, "--summary", counts, "--policy", "p.toml"]
        assert run([*files, option, place, "--overwrite"]) == 2
        assert "would overwrite" in capsys.readouterr().err
    assert run(["policy", "check", sweep, "--junit", "same", "--sarif", "same"]) == 2
    assert Path(sweep).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "Missing argument"),
        (["missing.jsonl"], "missing.jsonl: cannot be read (No such file or directory)"),
        (["sweep.jsonl", "--json", "--github"], "--github and --json contradict each other"),
        (["-", "-"], "standard input can be read only once"),
        (["sweep.jsonl", "--date", "today"], "--date 'today' is not a date: write it as 2026-11-23"),
        (["sweep.jsonl", "--policy", "missing.toml"], "missing.toml: cannot be read (No such file or directory)"),
        (["sweep.jsonl", "--summary", "missing.json"], "missing.json: cannot be read (No such file or directory)"),
        (["sweep.jsonl", "--policy", "latin.toml"], "latin.toml: not valid TOML: not UTF-8"),
        (["sweep.jsonl", "--policy", "name.toml"], "name.toml: waivers[1].addresses: 'mx.example.com': host names"),
        (["sweep.jsonl", "--policy", "wide.toml"], "wide.toml: waivers[1].addresses: 'x/99': "),
        (
            ["sweep.jsonl", "--policy", "none.toml"],
            "none.toml: waivers[1].addresses: '# all': a target that names nothing",
        ),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(capsys: Output, arguments: list[str], wanted: str) -> None:
    store(clean())
    Path("latin.toml").write_bytes(b"version = 1 # \xe9")
    Path("name.toml").write_text(WAIVER.replace("192.0.2.0/24", "mx.example.com"))
    Path("wide.toml").write_text(WAIVER.replace("192.0.2.0/24", "x/99"))
    Path("none.toml").write_text(WAIVER.replace("192.0.2.0/24", "# all"))

    assert run(["policy", "check", *arguments]) == 2
    out, err = capsys.readouterr()
    assert wanted in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_policy_with_a_byte_order_mark_is_read() -> None:
    Path("p.toml").write_text("\ufeff" + default_document(), "utf-8")

    assert load_policy(Path("p.toml")).min_seen == 0.95


def test_addresses_are_those_of_a_sweep() -> None:
    ranges = read_addresses(["192.0.2.0/24", "198.51.100.1-198.51.100.9", "203.0.113.1,5", "::ffff:0/112"])

    assert [ip in ranges for ip in ("192.0.2.7", "198.51.100.9", "203.0.113.5", "203.0.113.2")] == [True] * 3 + [False]
    with pytest.raises(InputError, match=r"^'192\.0\.2\.256': "):
        read_addresses(["192.0.2.1", "192.0.2.256"])
    with pytest.raises(InputError, match=r"^names no address$"):
        read_addresses([])


def test_init_prints_a_policy_that_check_takes(capsys: Output) -> None:
    assert run(["policy", "init"]) == 0

    Path("p.toml").write_text(capsys.readouterr().out)
    assert run(["policy", "check", store(clean()), "--policy", "p.toml"]) == 0
