"""What is shipped for SIEMs does what it says: Splunk's settings, the Sigma rules, and the page about formats."""

import configparser
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]  # it comes with ansible-core; its stubs do not

from docs import formats_tables
from scanner.formats import make_format
from tests.support.formats_corpus import Line, records

DATA: Final = Path(__file__).parents[2] / "scanner" / "formats" / "data"
RULES: Final = {path.name: yaml.safe_load(path.read_text()) for path in sorted((DATA / "sigma").glob("*.yml"))}
CORPUS: Final = records()


class _Stanzas(configparser.ConfigParser):
    """Splunk's settings, whose names have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def settings(name: str) -> configparser.ConfigParser:
    parser = _Stanzas(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.read_string((DATA / "splunk" / name).read_text())
    return parser


def first_body(name: str, line: Line) -> bytes:
    return next(iter(make_format(name).events(*line))).body


def flat(value: dict[str, Any], before: str = "") -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, each in value.items():
        fields |= flat(each, f"{before}{key}.") if isinstance(each, dict) else {before + key: each}
    return fields


def matches(selection: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Match as Sigma does: every field has one of the values; of a field with several values, one of them."""
    for name, wanted in selection.items():
        values = fields.get(name)
        have = values if isinstance(values, list) else [values]
        if not any(each in (wanted if isinstance(wanted, list) else [wanted]) for each in have):
            return False
    return True


def alerts(rule: dict[str, Any], line: Line) -> int:
    detection = rule["detection"]
    count = 0
    for event in make_format("ecs").events(*line):
        fields = flat(json.loads(event.body))
        filtered = "filter_fixed" in detection and matches(detection["filter_fixed"], fields)
        count += matches(detection["selection"], fields) and not filtered
    return count


@pytest.mark.parametrize("name", RULES)
def test_a_sigma_rule_has_what_the_specification_requires(name: str) -> None:
    rule = RULES[name]

    assert rule["title"]
    assert len(rule["title"]) <= 256
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", rule["id"])
    assert rule["status"] == "experimental"
    assert rule["level"] in {"low", "high"}
    assert {"product", "service"} == rule["logsource"].keys()
    assert all(re.fullmatch(r"attack\.[a-z0-9.-]+", tag) for tag in rule["tags"])
    words = set(re.findall(r"\w+", rule["detection"]["condition"])) - {"and", "not"}
    assert words == rule["detection"].keys() - {"condition"}


def test_the_rule_for_a_shown_version_alerts_for_servers_that_show_one() -> None:
    rule = RULES["smtp_version_disclosed.yml"]

    assert alerts(rule, CORPUS["ready"]) == 1
    assert [alerts(rule, CORPUS[name]) for name in ("postfix", "refusal", "status_silent")] == [0, 0, 0]


def test_the_rule_for_exploited_flaws_alerts_for_each_that_is_not_fixed() -> None:
    rule, line = RULES["smtp_known_exploited.yml"], CORPUS["full"]
    fixed = {**line.record, "findings": [{**line.record["findings"][0], "verdict": "vendor_fixed"}]}

    assert alerts(rule, line) == 1
    assert alerts(rule, Line(fixed, line.line)) == 0
    assert alerts(rule, CORPUS["postfix"]) == 0


@pytest.mark.parametrize(("stanza", "name"), [("record", "native"), ("ecs", "ecs"), ("ocsf", "ocsf")])
def test_splunk_finds_the_time_of_an_event(stanza: str, name: str) -> None:
    props = settings("props.conf")[f"smtpsweep:{stanza}"]
    body = first_body(name, CORPUS["ready"]).decode()
    prefix = re.search(props["TIME_PREFIX"], body)

    assert prefix is not None
    text = body[prefix.end() : prefix.end() + int(props["MAX_TIMESTAMP_LOOKAHEAD"])]
    if name == "ocsf":
        assert text == "1795342616123"
    else:
        assert datetime.fromisoformat(text).timestamp() == 1795342616.123
    assert props["KV_MODE"] == "json"
    assert props["SHOULD_LINEMERGE"] == "false"


def test_splunk_takes_every_cve_of_a_record_and_none_of_a_greeting() -> None:
    transform = settings("transforms.conf")["smtpsweep_cve"]
    forged = CORPUS["json_break"].line + b'220 "id":"CVE-0000-1"'.replace(b'"', b'\\"')
    found = re.findall(transform["REGEX"], CORPUS["ready"].line.decode())

    assert found == [each["id"] for each in CORPUS["ready"].record["findings"] if each["id"].startswith("CVE-")]
    assert found
    assert re.findall(transform["REGEX"], forged.decode()) == []
    assert transform["FORMAT"] == "cve::$1"


def test_the_tables_of_the_page_are_those_of_the_program() -> None:
    text = formats_tables.PAGE.read_text()

    assert formats_tables.page(text) == text, "run `python docs/formats_tables.py`"
    assert text.count("<!-- begin") == text.count("<!-- end") == 8
