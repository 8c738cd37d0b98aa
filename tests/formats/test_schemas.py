"""ECS and OCSF as published: whatever a record holds, every event validates against the schema of its version."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from scanner.formats import Event, make_format
from scanner.model import Status
from tests.support.formats_corpus import Line, line_of, record_of, records, run_lines
from tests.support.greetings import SENDMAIL_8_14
from tests.support.records import FLAW, full_record

SCHEMAS: Final = Path(__file__).parents[1] / "data" / "schemas"
ECS: Final = json.loads((SCHEMAS / "ecs-9.4.0.json").read_text())
OCSF: Final = json.loads((SCHEMAS / "ocsf-1.8.0.json").read_text())
TEMPLATE: Final = Path(__file__).parents[2] / "scanner" / "formats" / "data" / "index-template.json"
VALIDATORS: Final = {
    int(uid): Draft202012Validator({**schema, "$defs": OCSF["$defs"]}) for uid, schema in OCSF["classes"].items()
}
CORPUS: Final = records()


def events(name: str, line: Line) -> list[Event]:
    return list(make_format(name).events(*line))


def bodies(name: str, line: Line) -> list[dict[str, Any]]:
    return [json.loads(event.body) for event in events(name, line)]


def leaves(document: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted name and the value of every field."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{before}{key}.")
        else:
            yield before + key, value


def complain_about_ecs(name: str, value: Any) -> str | None:
    """Return what is wrong with a field; None when nothing is."""
    if name.startswith(("smtp.", "labels.")):
        return None
    if name not in ECS:
        return f"{name} is not a field of ECS"
    field = ECS[name]
    if isinstance(value, list) != field.get("array", False):
        return f"{name}: {value!r}: an array is {'needed' if field.get('array') else 'not allowed'}"
    for one in value if isinstance(value, list) else [value]:
        if not fits(field["type"], one):
            return f"{name}: {one!r} is not a {field['type']}"
        if "allowed_values" in field and one not in field["allowed_values"]:
            return f"{name}: {one!r} is not one of its values"
    return None


def fits(kind: str, value: Any) -> bool:
    if kind == "ip":
        return isinstance(value, str) and bool(ip_address(value))
    if kind == "date":
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    python: dict[str, type | tuple[type, ...]] = {"long": int, "float": (int, float), "boolean": bool}
    wanted = python.get(kind, str)
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))


def check_ecs(document: dict[str, Any]) -> None:
    complaints = [wrong for name, value in leaves(document) if (wrong := complain_about_ecs(name, value))]
    assert complaints == []
    for name in ("@timestamp", "ecs", "event", "message"):
        assert name in document
    event = document["event"]
    assert {"kind", "category", "type", "id", "dataset"} <= event.keys()
    expected = set(ECS["event.category"]["allowed_values"][event["category"][0]])
    assert set(event["type"]) <= expected


def check_ocsf(document: dict[str, Any]) -> None:
    schema = OCSF["classes"][str(document["class_uid"])]
    errors = [
        f"{error.json_path}: {error.message}" for error in VALIDATORS[document["class_uid"]].iter_errors(document)
    ]
    assert errors == []
    assert list(deprecated_in(document, schema)) == []
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]


def deprecated_in(value: Any, schema: dict[str, Any]) -> Iterator[str]:
    """Yield the names of deprecated attributes that an event uses."""
    if "$ref" in schema:
        schema = OCSF["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        for one in value:
            yield from deprecated_in(one, schema["items"])
    elif isinstance(value, dict):
        for name, one in value.items():
            attribute = schema.get("properties", {}).get(name)
            if attribute is None:
                continue
            if attribute.get("deprecated"):
                yield name
            yield from deprecated_in(one, attribute)


@pytest.mark.parametrize("name", CORPUS)
def test_every_document_of_ecs_has_only_fields_and_values_of_the_schema(name: str) -> None:
    documents = bodies("ecs", CORPUS[name])

    flaws = sum(1 for each in CORPUS[name].record["findings"] if each["verdict"])
    assert len(documents) == 1 + flaws
    for document in documents:
        check_ecs(document)


@pytest.mark.parametrize("name", CORPUS)
def test_every_event_of_ocsf_validates_and_uses_nothing_deprecated(name: str) -> None:
    documents = bodies("ocsf", CORPUS[name])

    assert documents[0]["class_uid"] == 4001
    for document in documents:
        check_ocsf(document)


def test_the_start_and_the_end_of_a_run_are_scan_activities() -> None:
    documents = [document for line in run_lines() for document in bodies("ocsf", line)]

    for document in documents:
        check_ocsf(document)
    assert [each["type_uid"] for each in documents] == [600701, 600708, 600702]
    assert documents[0]["total"] == 256
    assert documents[0]["num_skipped_items"] == 3


def test_an_activity_of_a_later_version_is_passed_over() -> None:
    line = run_lines()[0]

    assert events("ocsf", Line({**line.record, "activity": "slept"}, line.line)) == []


def mapped(properties: dict[str, Any], name: str) -> dict[str, Any] | None:
    head, _, rest = name.partition(".")
    found: dict[str, Any] | None = properties.get(head)
    return found if found is None or not rest else mapped(found.get("properties", {}), rest)


def test_the_index_template_maps_every_field_as_ecs_does_and_bounds_every_keyword() -> None:
    template = json.loads(TEMPLATE.read_text())["template"]["mappings"]
    names = {name for line in CORPUS.values() for document in bodies("ecs", line) for name, _ in leaves(document)}

    assert template["properties"]["smtp"]["dynamic"] is False
    for name in names - {"labels.scan_id"}:
        mapping = mapped(template["properties"], name)
        assert mapping is not None, name
        if name in ECS:
            assert mapping["type"] == ECS[name]["type"], name
        if mapping["type"] == "keyword" and mapping.get("index", True):
            assert mapping["ignore_above"] == 1024, name


def test_the_document_of_a_visit_says_what_was_seen() -> None:
    document = bodies("ecs", CORPUS["tls"])[0]

    assert document["@timestamp"] == document["event"]["start"] == "2026-11-22T10:16:56.123Z"
    assert document["event"]["id"] == CORPUS["tls"].record["event_id"]
    assert document["event"]["action"] == "smtp-starttls"
    assert document["event"]["outcome"] == "success"
    assert document["event"]["code"] == "220"
    assert document["event"]["duration"] == 2_100_000
    assert document["event"]["hash"] == sha256(SENDMAIL_8_14).hexdigest()
    assert document["destination"] == document["server"] == {"ip": "192.0.2.10", "port": 25, "address": "192.0.2.10"}
    assert document["service"]["name"] == "Sendmail"
    assert document["service"]["version"] == "8.14.7"
    assert document["tls"]["version"] == "1.3"
    assert document["tls"]["established"] is True
    assert document["tls"]["server"]["x509"]["public_key_curve"] == "secp256r1"
    assert document["related"]["hosts"] == ["mail1.example.com", "other.example.com"]
    assert document["related"]["hash"] == ["AB" * 32]
    assert document["smtp"]["ehlo"]["capabilities"] == ["PIPELINING", "SIZE 10240000", "STARTTLS"]
    assert document["message"].startswith("192.0.2.10 port 25: an SMTP server is ready, Sendmail 8.14.7, ")


def test_a_vulnerability_has_a_document_about_the_host_with_an_id_of_its_own() -> None:
    line = CORPUS["full"]
    first, flaw = events("ecs", line)
    document = json.loads(flaw.body)

    assert first.id == line.record["event_id"]
    assert flaw.id == document["event"]["id"] == f"{first.id}-CVE-2023-51765"
    assert document["vulnerability"]["id"] == "CVE-2023-51765"
    assert document["vulnerability"]["score"] == {"base": 5.3}
    assert document["host"] == {"ip": ["192.0.2.10"], "name": "mail.example.com"}
    assert document["smtp"]["finding"]["kev"] is True
    assert flaw.severity == 4
    assert document["message"] == "192.0.2.10 port 25: CVE-2023-51765, possible: Old version"


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("postfix", [4001]),
        ("ready", [4001, 5020, 2002, 2003]),
        ("no_tls", [4001, 5020, 2002, 2003]),
        ("nothing_named", [4001]),
        ("ansi_colour", [4001, 2004]),
        (f"status_{Status.REFUSED}", [4001]),
    ],
)
def test_what_is_known_decides_the_classes_of_events(name: str, classes: list[int]) -> None:
    assert list(dict.fromkeys(document["class_uid"] for document in bodies("ocsf", CORPUS[name]))) == classes


def test_each_weakness_is_a_compliance_finding_and_each_event_has_an_id_of_its_own() -> None:
    made = events("ocsf", CORPUS["no_tls"])
    controls = [body["compliance"]["control"] for body in bodies("ocsf", CORPUS["no_tls"]) if "compliance" in body]

    assert controls[:2] == ["VERSION-DISCLOSED", "STARTTLS-MISSING"]
    assert "CONFIG-SKEW" in controls
    assert len({event.id for event in made}) == len(made)
    assert [json.loads(event.body)["metadata"]["uid"] for event in made] == [event.id for event in made]
    assert made == events("ocsf", CORPUS["no_tls"])


@pytest.mark.parametrize(
    ("status", "type_uid", "status_id"),
    [
        (Status.READY, 400101, 1),
        (Status.SILENT, 400101, 2),
        (Status.RESET, 400103, 2),
        (Status.CONNECT_TIMEOUT, 400104, 2),
        (Status.REFUSED, 400105, 2),
        (Status.EXCLUDED, 400199, 0),
    ],
)
def test_a_status_is_an_activity_of_the_network(status: Status, type_uid: int, status_id: int) -> None:
    document = bodies("ocsf", line_of(record_of(b"" if status is not Status.READY else SENDMAIL_8_14, status)))[0]

    assert document["type_uid"] == type_uid
    assert document["status_id"] == status_id


def test_an_inventory_names_software_and_its_version_twice_as_the_schema_wants_it() -> None:
    inventory = bodies("ocsf", CORPUS["full"])[1]

    assert inventory["product"]["name"] == inventory["sbom"]["package"]["name"] == "Sendmail"
    assert inventory["sbom"]["package"]["version"] == "8.14.7"
    assert inventory["sbom"]["package"]["release"] == "Debian-2"
    assert inventory["device"]["network_interfaces"][0]["open_ports"][0]["port"] == 25


def test_a_vulnerability_is_new_and_one_that_a_package_has_fixed_is_resolved() -> None:
    fixed = full_record()._replace(findings=(replace(FLAW, verdict="vendor_fixed"),))
    new, resolved = (bodies("ocsf", line)[2] for line in (CORPUS["full"], line_of(fixed)))

    assert (new["status"], new["confidence"], new["severity"]) == ("New", "Low", "Medium")
    assert (resolved["status"], resolved["confidence"], resolved["severity"]) == ("Resolved", "High", "Informational")
    assert new["vulnerabilities"][0]["cve"]["uid"] == "CVE-2023-51765"
    assert new["vulnerabilities"][0]["is_exploit_available"] is True
    assert new["finding_info"]["uid"] == "192.0.2.10:25/CVE-2023-51765"


def test_what_is_no_cve_is_an_advisory() -> None:
    line = line_of(record_of()._replace(findings=(replace(FLAW, id="EXIM-1"),)))

    details = next(each for each in bodies("ocsf", line) if each["class_uid"] == 2002)["vulnerabilities"][0]
    assert details["advisory"] == {"uid": "EXIM-1"}
    assert "cve" not in details
    check_ocsf(bodies("ocsf", line)[2])


def test_an_imported_banner_without_a_time_is_tagged() -> None:
    event = events("ecs", CORPUS["imported_nameless"])[0]
    document = json.loads(event.body)

    assert event.time_s is None
    assert document["tags"] == ["time_unknown"]
    assert "start" not in document["event"]
    assert "destination" not in document
    assert bodies("ocsf", CORPUS["imported_nameless"])[0]["dst_endpoint"] == {"svc_name": "smtp"}


_TEXT = st.text(st.characters(codec="utf-8"), max_size=20)  # JSON holds no lone surrogates


@settings(max_examples=40)
@given(raw=st.binary(min_size=1, max_size=400), host=_TEXT, scan_id=_TEXT, error=_TEXT)
def test_any_bytes_and_any_names_validate(raw: bytes, host: str, scan_id: str, error: str) -> None:
    line = line_of(record_of(b"220 " + raw, scan_id=scan_id, host=host, error=error))

    for event in [*events("ecs", line), *events("ocsf", line)]:
        assert event.body.isascii()
        assert b"\n" not in event.body
    for document in bodies("ecs", line):
        check_ecs(document)
    for document in bodies("ocsf", line):
        check_ocsf(document)
