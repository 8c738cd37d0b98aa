"""Verdicts written for machines and people: JUnit XML, SARIF, GitHub annotations, JSON Lines, a table."""

from scanner.policy.reports.github import github_lines, maybe_annotation, maybe_not_judged
from scanner.policy.reports.json_lines import json_line, json_lines
from scanner.policy.reports.junit import JunitReport, write_junit
from scanner.policy.reports.neutral import NotJudged
from scanner.policy.reports.policy_table import VerdictTable, print_verdicts
from scanner.policy.reports.sarif import SarifReport, write_sarif

__all__ = [
    "JunitReport",
    "NotJudged",
    "SarifReport",
    "VerdictTable",
    "github_lines",
    "json_line",
    "json_lines",
    "maybe_annotation",
    "maybe_not_judged",
    "print_verdicts",
    "write_junit",
    "write_sarif",
]
