"""Claims about `scanner.policy.reports.sarif`: files that the official schema takes, whatever a server says."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft4Validator, FormatChecker

from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS, Policy, rule_texts
from scanner.policy.reports import write_sarif
from scanner.policy.rules import Level
from tests.support.verdicts import ALL_KINDS, HOSTILE, RULES, hostile, verdict_of

SCHEMA = json.loads((Path(__file__).parents[2] / "data" / "sarif-schema-2.1.0.json").read_text("utf-8"))
VALIDATOR = Draft4Validator(SCHEMA, format_checker=FormatChecker())


def written(path: Path, verdicts: list[Verdict], **options: Any) -> Any:
    write_sarif(verdicts, path, rules=options.pop("rules", RULES), **options)
    document = json.loads(path.read_text("utf-8"))
    VALIDATOR.validate(document)
    return document["runs"][0]


def test_the_schema_refuses_what_is_no_sarif() -> None:
    """Or the other tests here would prove nothing."""
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"results": []}]})
    good: dict[str, Any] = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [{}]}]}
    assert not VALIDATOR.is_valid(good)
    good["runs"][0]["results"] = [{"message": {"text": "x"}, "level": "fatal"}]
    assert not VALIDATOR.is_valid(good)


def test_a_broken_rule_is_a_result_at_its_host(tmp_path: Path) -> None:
    run = written(tmp_path / "r.sarif", ALL_KINDS)

    assert len(run["results"]) == 3
    first = run["results"][0]
    assert (first["ruleId"], first["ruleIndex"], first["level"], first["kind"]) == (
        *("no-version-in-greeting", 0),
        *("error", "fail"),
    )
    assert first["message"]["text"] == "192.0.2.10:25: the greeting gives away version (Sendmail 8.14.7)"
    assert first["properties"]["evidence"] == "220 mail1.example.com ESMTP Sendmail 8.14.7/8.13.8"
    (location,) = first["locations"]
    assert location["logicalLocations"] == [
        {"name": "192.0.2.10:25", "fullyQualifiedName": "smtp://192.0.2.10:25", "kind": "resource"}
    ]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "smtp://192.0.2.10:25"
    assert run["results"][1]["level"] == "warning"
    assert run["properties"]["counts"] == {"passed": 1, "failed": 2, "waived": 1, "not_judged": 1}


def test_what_was_not_judged_is_a_warning_of_the_run_and_no_result(tmp_path: Path) -> None:
    unseen = verdict_of(RuleOutcome.NOT_JUDGED, message="not seen")
    verdicts = [
        unseen,
        unseen,
        unseen._replace(rule="other"),
        unseen._replace(rule=FACTS),
        verdict_of(RuleOutcome.PASSED),
    ]
    run = written(tmp_path / "r.sarif", verdicts)

    assert run["results"] == []
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["toolExecutionNotifications"] == [
        {
            "level": "warning",
            "message": {"text": "no-version-in-greeting was not judged at 2 places, so it is not passed"},
            "associatedRule": {"id": "no-version-in-greeting", "index": 0},
        },
        {
            "level": "warning",
            "message": {"text": "other was not judged at 1 place, so it is not passed"},
            "associatedRule": {"id": "other"},
        },
    ]
    assert written(tmp_path / "none.sarif", [])["invocations"][0]["toolExecutionNotifications"] == []


def test_a_waived_rule_is_a_suppressed_result(tmp_path: Path) -> None:
    run = written(tmp_path / "r.sarif", ALL_KINDS)

    (suppression,) = run["results"][2]["suppressions"]
    assert suppression == {
        "kind": "external",
        "status": "accepted",
        "justification": "waived by mail team until 2027-01-31: appliance",
    }
    assert "suppressions" not in run["results"][0]


def test_rules_have_help_and_levels(tmp_path: Path) -> None:
    rules = written(tmp_path / "r.sarif", [])["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == [rule.name for rule in RULES]
    assert [rule["defaultConfiguration"] for rule in rules] == [
        {"enabled": True, "level": "error"},
        {"enabled": True, "level": "warning"},
        {"enabled": False, "level": "none"},
    ]
    assert rules[0]["help"]["text"] == "Hide {{it}}; see [help] (1)."
    all_of_it = written(tmp_path / "all.sarif", [], rules=rule_texts(Policy()))["tool"]["driver"]["rules"]
    assert len(all_of_it) == 12
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in all_of_it)


def test_a_verdict_about_no_address_and_no_known_rule_is_taken(tmp_path: Path) -> None:
    run = written(tmp_path / "r.sarif", [verdict_of(rule="verify", ip=None, port=None, evidence="hosts seen")])

    (result,) = run["results"]
    assert result["ruleId"] == "verify"
    assert "ruleIndex" not in result
    assert "locations" not in result
    assert result["message"]["text"].startswith("whole sweep: ")


def fingerprints(path: Path, *verdicts: Verdict) -> list[str]:
    run = written(path, list(verdicts), overwrite=True)
    return [each for result in run["results"] for each in result["partialFingerprints"].values()]


def test_a_fingerprint_outlives_what_the_server_says_and_nothing_else(tmp_path: Path) -> None:
    first = verdict_of()
    same = verdict_of(RuleOutcome.WAIVED, message="other", evidence="other", level=Level.WARNING)
    others = [
        verdict_of(rule="starttls-offered"),
        verdict_of(ip="192.0.2.11"),
        verdict_of(port=465),
        verdict_of(host="a"),
        verdict_of(ip=None, evidence="hosts seen"),
        verdict_of(ip=None, evidence="hosts judged"),
    ]

    found = fingerprints(tmp_path / "r.sarif", first, same, *others)
    assert found[0] == found[1]
    assert len(set(found)) == 1 + len(others)
    assert found[0] == "745fd4e537e3def441b4b8ce5d9011b212fcb6239a02cfdea2d379c0dc743b36"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(tmp_path: Path, text: str) -> None:
    run = written(tmp_path / "r.sarif", hostile(text))

    raw = (tmp_path / "r.sarif").read_text("utf-8")
    assert len(run["results"]) == 5
    assert raw.replace("\n", "").isprintable()
    for result in run["results"]:
        shown = result["message"]["text"]
        assert "](" not in shown
        assert "{" not in shown.replace("{{", "")
        assert all(
            " " not in place["physicalLocation"]["artifactLocation"]["uri"] for place in result.get("locations", [])
        )


@given(st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_makes_json(tmp_path: Path, text: str) -> None:
    run = written(tmp_path / "r.sarif", hostile(text), overwrite=True)

    assert not text.isprintable() or run["results"][0]["properties"]["evidence"] == text
