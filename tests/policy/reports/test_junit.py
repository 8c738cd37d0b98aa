"""Claims about `scanner.policy.reports.junit`, checked by readers that are not ours: JUnitParser, expat, xmllint."""

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped, TestSuite

from scanner.policy.judges import RuleOutcome
from scanner.policy.reports import write_junit
from scanner.policy.rules import Level
from tests.support.requirements import require_or_skip
from tests.support.verdicts import ALL_KINDS, HOSTILE, hostile, verdict_of


def parsed(document: bytes) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314  a report of ours, and expat's own limits hold


def suite_of(path: Path) -> TestSuite:
    (suite,) = JUnitXml.fromfile(str(path))
    assert isinstance(suite, TestSuite)
    return suite


def test_every_verdict_is_a_case_and_only_errors_fail(tmp_path: Path) -> None:
    write_junit(ALL_KINDS, tmp_path / "r.xml", suite="smtpsweep.policy")

    suite = suite_of(tmp_path / "r.xml")
    cases = list(suite)
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("smtpsweep.policy", 5, 1, 0, 3)
    assert [case.classname for case in cases][:2] == [
        "smtpsweep.policy.no-version-in-greeting",
        "smtpsweep.policy.starttls-offered",
    ]
    assert [case.name for case in cases][3:] == ["192.0.2.10:25", "[2001:db8::1]:25 (mx.example.org)"]
    (failure,) = cases[0].result
    assert isinstance(failure, Failure)
    assert failure.message == "the greeting gives away version (Sendmail 8.14.7)"
    assert (failure.type, failure.text) == ("error", "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8")
    skipped = [case.result[0] for case in cases[1:4]]
    assert all(isinstance(each, Skipped) for each in skipped)
    assert [each.message for each in skipped] == [
        "warning: STARTTLS is not offered",
        "waived: the greeting gives away version (Sendmail 8.14.7) [waived by mail team until 2027-01-31: appliance]",
        "not judged: no dialogue was held",
    ]
    assert cases[4].is_passed


def test_a_suite_without_cases_is_one(tmp_path: Path) -> None:
    write_junit([], tmp_path / "r.xml", suite="empty")

    assert suite_of(tmp_path / "r.xml").tests == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, text: str) -> None:
    write_junit(hostile(text), tmp_path / "r.xml", suite=text)

    raw = (tmp_path / "r.xml").read_bytes()
    root = parsed(raw)
    assert {element.tag for element in root.iter()} == {"testsuites", "testsuite", "testcase", "failure", "skipped"}
    assert {name for each in root.iter("testcase") for name in each.attrib} == {"classname", "name", "time"}
    assert len(list(root.iter("testcase"))) == 7
    assert raw.count(b"\n") == 5 + 7
    assert b"]]>" not in raw
    assert b"\x1b" not in raw
    assert raw.decode().replace("\n", "").isprintable()


@given(st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_makes_xml(tmp_path: Path, text: str) -> None:
    write_junit(hostile(text), tmp_path / "r.xml", suite="s", overwrite=True)

    root = parsed((tmp_path / "r.xml").read_bytes())
    shown = next(root.iter("failure")).get("message")
    assert shown is not None
    assert not text.isprintable() or shown == text


@pytest.mark.tools
def test_xmllint_takes_it(tmp_path: Path) -> None:
    require_or_skip(shutil.which("xmllint") is not None, "needs xmllint (package libxml2-utils)")
    write_junit([each for text in HOSTILE for each in hostile(text)], tmp_path / "r.xml", suite="s")

    done = subprocess.run(["xmllint", "--noout", tmp_path / "r.xml"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_counts_have_room_for_a_sweep_of_everything(tmp_path: Path) -> None:
    """The room at the top holds three numbers of twenty digits."""
    write_junit([verdict_of(level=Level.ERROR), verdict_of(RuleOutcome.PASSED)], tmp_path / "r.xml", suite="s")

    head = (tmp_path / "r.xml").read_bytes().splitlines()[2]
    assert head.endswith(b" " * 60 + b">")
    assert b'tests="2" failures="1" errors="0" skipped="0"' in head
