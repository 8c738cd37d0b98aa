"""Verdicts written for machines and people: JUnit XML, SARIF, GitHub annotations, JSON Lines, a table."""

from scanner.results.reports.github import github_lines, maybe_annotation
from scanner.results.reports.json_lines import json_line, json_lines
from scanner.results.reports.junit import JunitReport, write_junit
from scanner.results.reports.policy_table import VerdictTable, print_verdicts
from scanner.results.reports.sarif import SarifReport, write_sarif

__all__ = [
    "JunitReport",
    "SarifReport",
    "VerdictTable",
    "github_lines",
    "json_line",
    "json_lines",
    "maybe_annotation",
    "print_verdicts",
    "write_junit",
    "write_sarif",
]
