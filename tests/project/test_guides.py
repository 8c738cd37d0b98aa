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
