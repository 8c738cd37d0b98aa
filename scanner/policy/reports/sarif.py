"""Write verdicts as SARIF 2.1.0, for programs that collect the results of many tools.

There is one result for each broken rule at a host; a waived one has an accepted suppression. The run's properties count
what passed and what was not judged, and give the day of the facts. A rule that was not judged everywhere is also a
warning of the run (a notification), because readers would take a result for a violation. A host is not a file: its
location is a logical one, a `resource` with the name `smtp://192.0.2.10:25`, and also the URI of an artifact, since
many readers show nothing else. `partialFingerprints` depend on rule and target alone, so that a result stays the same
from sweep to sweep. Results are written one at a time; only counts are kept.

Source: OASIS, SARIF 2.1.0 (3.11.5 placeholders, 3.11.6 links, 3.20 invocation, 3.27 result, 3.35 suppression,
3.49 rules, 3.58 notification).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson

from scanner.files.names import SARIF
from scanner.policy.check import Verdict
from scanner.policy.judges import RuleOutcome
from scanner.policy.policy import FACTS
from scanner.policy.reports.file_report import FileReport
from scanner.policy.reports.neutral import NotJudged, printable, target_name, target_uri
from scanner.policy.rules import Level, RuleText
from scanner.version import VERSION

_SCHEMA_URI: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Level.ERROR: "error", Level.WARNING: "warning", Level.OFF: "none"}


class SarifReport(FileReport):
    """A SARIF file with one run. `rules` are the rules that verdicts can name, with their texts."""

    content = SARIF

    def __init__(self, path: str | Path, *, rules: Sequence[RuleText], overwrite: bool = False) -> None:
        """Name file and rules."""
        super().__init__(path, overwrite=overwrite)
        self._rules = rules
        self._places = {rule.name: place for place, rule in enumerate(rules)}
        self._counts: Counter[str] = Counter()
        self._not_judged = NotJudged()
        self._written = 0
        self._facts: str | None = None

    def add(self, verdict: Verdict) -> None:
        """Write a result for what failed or was waived; count the rest."""
        self._counts[verdict.outcome] += 1
        self._not_judged.add(verdict)
        if verdict.rule == FACTS:
            self._facts = printable(verdict.message)
        if verdict.outcome in {RuleOutcome.FAILED, RuleOutcome.WAIVED}:
            self._write((b",\n" if self._written else b"\n") + orjson.dumps(self._result(verdict)))
            self._written += 1

    def _begin(self) -> None:
        driver = {"name": "smtpsweep", "version": VERSION, "rules": list(map(_rule, self._rules))}
        head = {"$schema": _SCHEMA_URI, "version": "2.1.0"}
        self._write(orjson.dumps(head)[:-1] + b',"runs":[{"tool":' + orjson.dumps({"driver": driver}) + b',"results":[')

    def _end(self) -> None:
        counts = {outcome.value: self._counts[outcome] for outcome in RuleOutcome}
        warnings = [self._notification(rule, text) for rule, text in self._not_judged.lines()]
        invocation = {"executionSuccessful": True, "toolExecutionNotifications": warnings}
        self._write(b'\n],"invocations":' + orjson.dumps([invocation]))
        self._write(b',"properties":' + orjson.dumps({"counts": counts, "facts": self._facts}) + b"}]}\n")

    def _notification(self, rule: str, text: str) -> dict[str, Any]:
        place = {"index": self._places[rule]} if rule in self._places else {}
        return {"level": "warning", "message": {"text": _message(text)}, "associatedRule": {"id": rule, **place}}

    def _result(self, verdict: Verdict) -> dict[str, Any]:
        result: dict[str, Any] = {
            "ruleId": printable(verdict.rule),
            "kind": "fail",
            "level": _LEVELS[verdict.level],
            "message": {"text": _message(f"{target_name(verdict)}: {printable(verdict.message)}")},
            "partialFingerprints": {"smtpsweepTarget/v1": fingerprint(verdict)},
        }
        if verdict.rule in self._places:
            result["ruleIndex"] = self._places[verdict.rule]
        if (uri := target_uri(verdict)) is not None:
            logical = {"name": target_name(verdict), "fullyQualifiedName": uri, "kind": "resource"}
            physical = {"artifactLocation": {"uri": uri}}
            result["locations"] = [{"physicalLocation": physical, "logicalLocations": [logical]}]
        if verdict.evidence is not None:
            result["properties"] = {"evidence": printable(verdict.evidence)}
        if verdict.waiver is not None:
            why = _message(printable(str(verdict.waiver)))
            result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
        return result


def write_sarif(
    verdicts: Iterable[Verdict], path: str | Path, *, rules: Sequence[RuleText], overwrite: bool = False
) -> None:
    """Write verdicts as one SARIF run.

    Raises:
        InputError: when the file exists and may not be overwritten, or cannot be made.
        SinkError: when the disk does not take it.
    """
    with SarifReport(path, rules=rules, overwrite=overwrite) as report:
        report.add_all(verdicts)


def fingerprint(verdict: Verdict) -> str:
    """Return a fingerprint (hex) of rule and target that does not depend on what the server sends."""
    about = verdict.evidence if verdict.ip is None else None  # without an address the evidence names the subject
    parts = (verdict.rule, verdict.ip, str(verdict.port), verdict.host, about)
    return sha256("\0".join(printable(part or "") for part in parts).encode()).hexdigest()


def _rule(rule: RuleText) -> dict[str, Any]:
    enabled = rule.level is not Level.OFF
    return {
        "id": printable(rule.name),
        "shortDescription": {"text": _message(printable(rule.title))},
        "fullDescription": {"text": _message(printable(f"{rule.title} {rule.help}"))},
        "help": {"text": _message(printable(rule.help))},
        "defaultConfiguration": {"enabled": enabled, "level": _LEVELS[rule.level]},
    }


def _message(text: str) -> str:
    """Quote placeholders (`{0}`), and break up what would become a link (`[text](target)`)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")
