"""What the guides show is what the program takes and writes: URLs of sinks, samples of JSON, ids of findings."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

import scanner
from scanner.delivery.receivers.options import COMMON, url_options
from scanner.delivery.relay.destination import kinds
from tests.support.command_line import smtpsweep

ROOT = Path(scanner.__file__).parent.parent
DOCS = ROOT / "docs"
SCHEMES = kinds(pytest.fail)
#: A URL of a remote sink with options, as commands have it.
SINK_URL = re.compile(r"(?:-o |sinks test )'?([a-z0-9+]+://[^\s'\"`]+\?[^\s'\"`]+)")


def sink_urls() -> list[str]:
    pages = {ROOT / "README.md", *DOCS.glob("*.md")} - {DOCS / "write-a-sink.md"}  # which adds a kind of its own
    return sorted({url for page in pages for url in SINK_URL.findall(page.read_text())})


def known_options(scheme: str) -> set[str]:
    kind = SCHEMES[scheme]
    secrets = {f"{name}_{place}" for name in kind.secrets for place in ("env", "file")}
    return {option.name for option in (*COMMON, *url_options(kind.options))} | secrets


@pytest.mark.parametrize("url", sink_urls())
def test_every_option_in_a_url_of_a_sink_is_one_that_its_kind_takes(url: str) -> None:
    parts = urlsplit(url)
    assert {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} <= known_options(parts.scheme)


def test_the_page_about_sinks_has_an_example_of_every_kind_and_every_common_option() -> None:
    page = (DOCS / "sinks.md").read_text()
    shown = {SCHEMES[scheme].summary for scheme in re.findall(r"-o '([a-z0-9+]+)://", page)}
    assert {kind.summary for kind in SCHEMES.values()} == shown
    assert all(f"| `{option.name}` |" in page for option in COMMON)


def test_the_change_shown_is_one() -> None:
    page = (DOCS / "diff.md").read_text()
    (sample,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    schema = json.loads((DOCS / "change.schema.json").read_text())
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(json.loads(sample))


def test_every_finding_about_sendmails_configuration_has_a_row() -> None:
    page = (DOCS / "remedy.md").read_text()
    (table,) = re.findall(r"\n\| id \|.*?\n\n", page, re.DOTALL)
    rows = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", table)) | {"overridden"}
    sources = "".join(path.read_text() for path in (ROOT / "scanner/remediation").rglob("*.py"))
    written = set(re.findall(r'"((?:greeting|help|received|option|raw|m4|line)-[a-z0-9-]+)"', sources))
    assert written <= rows


def test_the_findings_about_a_configuration_are_shown_as_they_are_printed(tmp_path: Path) -> None:
    lines = ["divert(0)dnl", "OSTYPE(`linux')dnl", "define(`confSMTP_banner', ` ')", "MAILER(`smtp')dnl"]
    (tmp_path / "sendmail.mc").write_text("\n".join(lines) + "\n")
    printed = smtpsweep("remedy", "--mc", "sendmail.mc", cwd=tmp_path).out
    (sample,) = re.findall(r"```\n(sendmail\.mc:.*?)```", (DOCS / "remedy.md").read_text(), re.DOTALL)
    assert all(line.removesuffix(" ...") in printed for line in sample.splitlines())


def test_the_greetings_identified_are_shown_as_they_are_printed(tmp_path: Path) -> None:
    (sample,) = re.findall(r"\.software\.version\]'\n(.*?)```", (DOCS / "identify.md").read_text(), re.DOTALL)
    (tmp_path / "greetings.txt").write_text("220 mx ESMTP Exim 4.96\nmail ESMTP Postfix\nfoo\n")
    records = map(json.loads, smtpsweep("identify", "greetings.txt", cwd=tmp_path).out.splitlines())
    found = [[one["banner"]["text"], one["software"]["product"], one["software"]["version"]] if one["software"] else
             [one["banner"]["text"], None, None] for one in records]  # fmt: skip
    assert [json.loads(line) for line in sample.splitlines()] == found


def test_the_totals_of_a_log_are_shown_as_they_are_printed(tmp_path: Path) -> None:
    (tmp_path / "mail.log").write_text(
        "Dec  1 03:56:00 mx sm-mta[123]: 6B13u0xx000123: probe.example.com [192.0.2.5] did not issue "
        "MAIL/EXPN/VRFY/ETRN during connection to MTA\n"
        "Dec  1 03:57:00 mx postfix/smtpd[77]: connect from unknown[203.0.113.9]\n"
        "Dec  1 03:57:01 mx postfix/smtpd[77]: disconnect from unknown[203.0.113.9] ehlo=1 quit=1 commands=2\n"
    )
    done = smtpsweep("logs", "mail.log", "--scanner", "192.0.2.5", cwd=tmp_path)
    assert done.err in (DOCS / "logs.md").read_text()


def test_the_answer_of_a_receiver_that_is_not_there_is_shown_as_it_is_printed(tmp_path: Path) -> None:
    port = 9  # nobody listens on it
    printed = smtpsweep("sinks", "test", f"syslog+tcp://127.0.0.1:{port}", cwd=tmp_path).err
    page = " ".join((DOCS / "sinks.md").read_text().split())
    assert " ".join(printed.split()).replace(f":{port}:", ":5514:") in page
