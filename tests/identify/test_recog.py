"""A Recog database of the user's: a tiny one of our own, in the format and not with the content of the real one."""

import logging
from pathlib import Path

import pytest

from scanner.errors import InputError
from scanner.identify import identify
from scanner.identify.databases import load_fingerprints
from scanner.identify.recog import RecogDatabase
from scanner.model import Software
from scanner.smtp import parse_banner

TINY = r"""<?xml version="1.0"?>
<fingerprints matches="smtp.banner" protocol="smtp" database_type="service" preference="0.20">
  <fingerprint pattern="^(\S+) ESMTP Frobnicator (\d+\.[\d.]+) \(on ([A-Za-z]+)\)$">
    <description>Frobnicator, with its version</description>
    <example service.version="1.2">mail ESMTP Frobnicator 1.2 (on Plan)</example>
    <param pos="0" name="service.vendor" value="Frob Works"/>
    <param pos="0" name="service.product" value="Frobnicator"/>
    <param pos="0" name="service.family" value="Frobnicator"/>
    <param pos="2" name="service.version"/>
    <param pos="0" name="service.cpe23" value="cpe:/a:frob:frobnicator:{service.version}"/>
    <param pos="3" name="os.product"/>
    <param pos="1" name="host.name"/>
  </fingerprint>
  <fingerprint pattern="^(?i)welcome to quux(?: v(?&lt;version&gt;[[:digit:]]+))?\z" certainty="0.5">
    <description>Ruby's dialect</description>
    <param pos="0" name="service.family" value="Quux"/>
    <param pos="1" name="service.version"/>
    <param pos="0" name="service.certainty" value="0.5"/>
    <param pos="0" name="service.cpe23" value="not a cpe"/>
  </fingerprint>
  <fingerprint pattern="shouting" flags="REG_ICASE">
    <param pos="0" name="service.product" value="Shouter"/>
    <param pos="0" name="os.product" value="{os.family}"/>
    <param pos="x" name="service.version"/>
  </fingerprint>
  <fingerprint pattern="^\S+ ESMTP Postfix$"><param pos="0" name="service.product" value="Not ours"/></fingerprint>
  <fingerprint pattern="^\S+ ESMTP$"><param pos="1" name="host.name"/></fingerprint>
</fingerprints>
"""


def database(folder: Path, text: str = TINY, name: str = "smtp_banners.xml") -> RecogDatabase:
    (folder / name).write_text(text)
    return RecogDatabase.load(folder)


def one(pattern: str, params: str = '<param pos="0" name="service.product" value="Foo"/>') -> str:
    return f'<fingerprints><fingerprint pattern="{pattern}">{params}</fingerprint></fingerprints>'


def said(found: RecogDatabase, text: str) -> Software | None:
    return found.identify(parse_banner(text.encode() + b"\r\n"))


def test_a_fingerprint_gives_the_same_fields_as_a_rule(tmp_path: Path) -> None:
    assert said(database(tmp_path), "220 mail ESMTP Frobnicator 1.2 (on Plan)") == Software(
        product="Frobnicator",
        vendor="Frob Works",
        version="1.2",
        os="Plan",
        cpe="cpe:2.3:a:frob:frobnicator:1.2:*:*:*:*:*:*:*",
        confidence=0.85,
        evidence="recog.smtp-banners.1",
        kind=None,
    )


def test_the_dialect_of_ruby_is_understood(tmp_path: Path) -> None:
    found = database(tmp_path)

    assert said(found, "220 WELCOME to Quux v7") == Software(
        product="Quux", version="7", confidence=0.5, evidence="recog.smtp-banners.2", kind=None
    )
    assert said(found, "220 welcome to quux") == Software(
        product="Quux", confidence=0.5, evidence="recog.smtp-banners.2", kind=None
    )
    assert said(found, "220 SHOUTING") == Software(
        product="Shouter", confidence=0.85, evidence="recog.smtp-banners.3", kind=None
    )


def test_every_line_of_a_greeting_is_tried(tmp_path: Path) -> None:
    software = said(database(tmp_path), "220-hello\r\n220 welcome to quux v8")

    assert software is not None
    assert software.version == "8"


def test_a_fingerprint_without_a_product_says_nothing(tmp_path: Path) -> None:
    found = database(tmp_path)

    assert len(found) == 4
    assert said(found, "220 mail ESMTP") is None
    assert found.skipped == []


def test_ours_win_and_theirs_fill_the_gaps(tmp_path: Path) -> None:
    database(tmp_path)
    both = load_fingerprints(f"recog:{tmp_path}")

    postfix = parse_banner(b"220 mail ESMTP Postfix\r\n")
    assert both.identify(postfix) == identify(postfix)
    frobnicator = both.identify(parse_banner(b"220 mail ESMTP Frobnicator 1.2 (on Plan)\r\n"))
    assert frobnicator is not None
    assert frobnicator.product == "Frobnicator"


def test_a_copy_of_the_repository_or_the_file_itself_will_do(tmp_path: Path) -> None:
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml" / "smtp_banners.xml").write_text(TINY)

    assert len(RecogDatabase.load(tmp_path)) == 4
    assert len(RecogDatabase.load(tmp_path / "xml")) == 4
    assert len(RecogDatabase.load(tmp_path / "xml" / "smtp_banners.xml")) == 4


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "Python cannot compile its expression: missing"),
        (r"\p{Alpha}", "Python cannot compile its expression: bad escape"),
        ("(?&lt;a&gt;x)(?&lt;a&gt;y)", "Python cannot compile its expression: redefinition"),
        ("x{99999999999}", "Python cannot compile its expression: the repetition"),
        ("(a+)+b", r"the repetition + holds another one"),
        ("(?:x(a*)b){2,}", r"the repetition {2,} holds another one"),
        ("a.*b.*c.*d.*e", "4 repetitions without a bound"),
    ],
)
def test_an_expression_that_cannot_be_used_is_left_out_and_named(tmp_path: Path, pattern: str, problem: str) -> None:
    found = database(tmp_path, one(pattern))

    assert len(found) == 0
    (sentence,) = found.skipped
    assert sentence.startswith("smtp_banners.xml: fingerprint 1: ")
    assert problem in sentence


@pytest.mark.parametrize("pattern", ["a.*b.*c.*d", "([^ ]+) ([^ ]+) ([^ ]+) ([^ ]+) x", "(a{1}){1}b", "(?:ab)?c+"])
def test_expressions_of_the_usual_kind_are_used(tmp_path: Path, pattern: str) -> None:
    assert len(database(tmp_path, one(pattern))) == 1


def test_a_parameter_for_a_group_that_is_not_there_is_found(tmp_path: Path) -> None:
    product = '<param pos="0" name="service.product" value="Foo"/>'
    found = database(tmp_path, one("(a)", product + '<param pos="2" name="service.version"/>'))

    assert found.skipped == [
        "smtp_banners.xml: fingerprint 1: a parameter names a group that the expression does not have"
    ]


def test_a_certainty_that_is_no_number_is_found(tmp_path: Path) -> None:
    found = database(tmp_path, one("a", '<param pos="0" name="service.certainty" value="high"/>'))

    assert "could not convert" in found.skipped[0]


def test_a_parameter_outside_of_a_fingerprint_is_nobodys(tmp_path: Path) -> None:
    assert (
        len(database(tmp_path, '<fingerprints><param pos="0" name="service.product" value="x"/></fingerprints>')) == 0
    )


def test_hostile_text_of_any_length_costs_little(tmp_path: Path) -> None:
    """A line is cut to 512 characters, where three stars in a row cost milliseconds; uncut they would cost minutes."""
    found = database(tmp_path, one("x.*x.*x.*y"))
    greeting = parse_banner(b"220 " + b"x" * 8000 + b"\r\n")

    assert found.identify(greeting) is None


def test_what_is_no_database_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no smtp_banners\.xml"):
        RecogDatabase.load(tmp_path)
    with pytest.raises(InputError, match="line 1: not well-formed XML"):
        database(tmp_path, "{}")
    with pytest.raises(InputError, match="line 1: it defines an entity"):
        database(tmp_path, '<!DOCTYPE a [<!ENTITY x "y">]><a/>')


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "smtp_banners.xml").write_text(TINY)
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        RecogDatabase.load(tmp_path)


def test_what_the_option_may_say() -> None:
    assert load_fingerprints(None).rules
    with pytest.raises(InputError, match=r"--fingerprints 'nmap:x': must be recog:FOLDER"):
        load_fingerprints("nmap:x")


def test_what_was_left_out_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database(tmp_path, f"<fingerprints>{7 * one('(')}{one('a')}</fingerprints>")
    with caplog.at_level(logging.WARNING):
        load_fingerprints(f"recog:{tmp_path}")

    assert caplog.messages[0] == f"--fingerprints recog:{tmp_path}: 7 left out, 1 in use"
    assert len(caplog.messages) == 1 + 5


def test_a_text_that_every_match_holds_decides_whether_an_expression_is_tried(tmp_path: Path) -> None:
    found = database(tmp_path)

    assert [fingerprint.required for fingerprint in found._fingerprints] == [
        " esmtp frobnicator ",
        "welcome to quux",
        "shouting",
        " esmtp postfix",
    ]
