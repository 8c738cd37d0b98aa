"""Claims about `scanner.assess.facts`: the shipped data are sound, a user's are checked, the newer row wins."""

import re
from copy import deepcopy
from datetime import date, timedelta
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.assess import load_facts, shipped_facts, user_data_file
from scanner.assess.facts import OLD_DAYS, merged
from scanner.assess.facts_format import FORMAT, problems, read_document
from scanner.assess.versions import version_key
from scanner.errors import InputError

SHIPPED = resources.files("scanner.assess") / "data" / "vulnerabilities.json"
DAY = date(2026, 11, 30)


def row(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": "CVE-2026-0001",
        "product": "sendmail",
        "summary": "A test.",
        "ranges": [{"fixed": "8.19"}],
        "smtp_unauthenticated": None,
        "published": "2026-12-01",
        "as_of": "2026-12-02",
        "sources": ["here"],
    }
    return {name: value for name, value in (made | changes).items() if value != "left out"}


def document(*rows: Any, **changes: Any) -> dict[str, Any]:
    return {"format": FORMAT, "compiled": "2026-12-02", "vulnerabilities": list(rows), **changes}


def test_the_shipped_data_are_sound() -> None:
    shipped = shipped_facts().document

    assert list(problems(shipped)) == []
    assert len([each for each in shipped["vulnerabilities"] if each["id"].startswith("CVE-")]) == 1022
    assert len(shipped["vulnerabilities"]) == 1041
    assert len(shipped["products"]) == 27


def test_the_shipped_rows_are_sorted_and_stand_on_a_line_each() -> None:
    rows = shipped_facts().document["vulnerabilities"]
    products = [each["product"] for each in rows]

    assert products == sorted(products)
    for _, group in groupby(rows, key=lambda each: each["product"]):
        numbers = [
            tuple(map(int, re.findall(r"[0-9]+", each["id"]))) for each in group if each["id"].startswith("CVE-")
        ]
        assert numbers == sorted(numbers)
    lines = SHIPPED.read_text("ascii").splitlines()
    assert len([line for line in lines if line.startswith('  {"id": ')]) == len(rows)


def test_every_version_of_the_shipped_data_can_be_compared() -> None:
    for key, product in shipped_facts().document["products"].items():
        latest = [branch["latest"] for branch in product.get("branches", ())]
        for text in (*product.get("releases", ()), *latest, *filter(None, [product.get("latest")])):
            assert version_key(key, text) is not None, (key, text)


def test_every_row_names_its_sources_and_every_product_its_names() -> None:
    shipped = shipped_facts().document

    assert [each["id"] for each in shipped["vulnerabilities"] if not each["sources"]] == []
    assert [key for key, product in shipped["products"].items() if not (product["names"] and product["sources"])] == []
    assert not {each["id"] for each in shipped["vulnerabilities"]} & set(shipped["left_out"])


@pytest.mark.parametrize("name", ["Sendmail", "sendmail", "SENDMAIL"])
def test_a_product_is_found_by_key_and_by_name_in_any_case(name: str) -> None:
    found = shipped_facts().product(name)

    assert found is not None
    assert (found.key, found.name) == ("sendmail", "Sendmail")


def test_a_product_is_made_once_and_its_releases_ascend() -> None:
    facts = shipped_facts()
    exim = facts.product("Exim")

    assert exim is not None
    assert facts.product("exim") is exim
    keys = [key for key, _, _ in exim.releases]
    assert keys == sorted(keys)
    assert exim.releases[-1][1:] == ("4.100.2", None)
    assert {text: day for _, text, day in exim.releases}["4.100"] is None  # only its month is known
    assert facts.product("Exim4") is None


@pytest.mark.parametrize("days", [0, 1, OLD_DAYS])
def test_young_data_need_no_warning(days: int) -> None:
    assert shipped_facts().maybe_warning(DAY + timedelta(days=days)) is None


def test_old_data_are_shown_with_their_date_and_age() -> None:
    warning = shipped_facts().maybe_warning(DAY + timedelta(days=OLD_DAYS + 1))

    assert warning is not None
    assert warning.startswith("the vulnerability data are of 2026-11-30, 181 days old")


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/a"}, "/data/smtpsweep/vulnerabilities.json"),
        ({"HOME": "/home/a"}, "/home/a/.local/share/smtpsweep/vulnerabilities.json"),
        ({"XDG_DATA_HOME": "", "HOME": "/home/a"}, "/home/a/.local/share/smtpsweep/vulnerabilities.json"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/a"}, "/home/a/.local/share/smtpsweep/vulnerabilities.json"),
        ({}, "/.local/share/smtpsweep/vulnerabilities.json"),
    ],
)
def test_the_users_data_are_where_the_desktop_says(environ: dict[str, str], path: str) -> None:
    assert user_data_file(environ) == Path(path)


def test_the_file_is_found_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "smtpsweep").mkdir()
    (tmp_path / "smtpsweep" / "vulnerabilities.json").write_bytes(orjson.dumps(document(row())))

    assert load_facts().compiled == "2026-12-02"


def test_without_a_file_of_the_user_the_shipped_facts_are_all(tmp_path: Path) -> None:
    facts = load_facts(tmp_path / "none.json")

    assert facts.document == shipped_facts().document
    assert facts.origin == "shipped"


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}: cannot be read: Is a directory")):
        load_facts(tmp_path)


def test_new_rows_are_added_and_the_newer_of_two_wins() -> None:
    shipped = shipped_facts()
    known = next(each for each in shipped.document["vulnerabilities"] if each["id"] == "CVE-2014-3956")
    newer, older = {**known, "as_of": "2026-12-24", "summary": "New."}, {**known, "as_of": "2001-01-01"}

    facts = merged(shipped, document(row(), newer), "user")

    rows = {each["id"]: each for each in facts.document["vulnerabilities"]}
    assert (len(facts.document["vulnerabilities"]), rows["CVE-2026-0001"], rows["CVE-2014-3956"]["summary"]) == (
        len(shipped.document["vulnerabilities"]) + 1,
        row(),
        "New.",
    )
    assert (facts.compiled, facts.origin) == ("2026-12-02", "user")
    assert merged(shipped, document(older), "user").document["vulnerabilities"] == shipped.document["vulnerabilities"]
    assert merged(shipped, document(compiled="2020-01-01"), "user").compiled == shipped.compiled


def test_rows_of_products_that_are_not_known_are_left_out() -> None:
    facts = merged(shipped_facts(), document(row(product="nginx")), "user")

    assert facts.document["vulnerabilities"] == shipped_facts().document["vulnerabilities"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"id": "left out"}, "row 'number 1': the id must be"),
        ({"id": "cve-1"}, "row 'cve-1': the id must be"),
        ({"id": "X\n\x1b[2J"}, "row 'X\\n\\x1b[2J': the id must be"),
        ({"id": 5}, "row 5: the id must be"),
        ({"id": []}, "row []: the id must be"),
        ({"published": "2026-02-30"}, "published must be a date"),
        ({"product": None}, "product must be text"),
        ({"summary": 1}, "summary must be text"),
        ({"condition": []}, "condition must be text"),
        ({"published": "yesterday"}, "published must be a date"),
        ({"as_of": "2026-13-01"}, "as_of must be a date"),
        ({"kev": True}, "kev must be the day"),
        ({"smtp_unauthenticated": "yes"}, "smtp_unauthenticated must be"),
        ({"systems": "HP-UX"}, "systems must be"),
        ({"systems": [1]}, "systems must be"),
        ({"as_of": "left out"}, "as_of must be a date"),
        ({"sources": "here"}, "sources must be"),
        ({"sources": [1]}, "sources must be"),
        ({"cvss": 9.8}, "cvss must have"),
        ({"cvss": {"version": "3.1", "score": 11, "vector": "x"}}, "cvss must have"),
        ({"cvss": {"version": "5.0", "score": 1, "vector": "x"}}, "cvss must have"),
        ({"cvss": {"version": "3.1", "score": "1", "vector": "x"}}, "cvss must have"),
        ({"cvss": {"version": "3.1", "score": 1}}, "cvss must have"),
        ({"ranges": None}, "ranges must be"),
        ({"ranges": "8.19"}, "ranges must be"),
        ({"ranges": ["8.19"]}, "ranges must be"),
        ({"ranges": [{}]}, "ranges must be"),
        ({"ranges": [{"fixed": "8.19", "last_affected": "8.18"}]}, "ranges must be"),
        ({"ranges": [{"fixed": "soon"}]}, "ranges must be"),
        ({"ranges": [{"fixed": 8.19}]}, "ranges must be"),
        ({"ranges": [{"fixed": "8.19", "introduced": "x"}]}, "ranges must be"),
    ],
)
def test_a_wrong_row_is_named_with_what_is_wrong(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_document(orjson.dumps(document(row(**change))), "user.json")

    assert complaint in str(caught.value)
    assert str(caught.value).startswith("user.json: row ")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", f"not vulnerability data of format {FORMAT}"),
        (b'{"format":"smtpsweep.vulnerabilities/2"}', f"not vulnerability data of format {FORMAT}"),
        (orjson.dumps(document(compiled="2026")), "compiled must be a date"),
        (orjson.dumps(document(vulnerabilities={})), "vulnerabilities must be a list"),
        (orjson.dumps(document(products=[])), "products an object"),
        (orjson.dumps(document(5)), "row number 1: must be an object"),
        (orjson.dumps(document(row(), row())), "row 'CVE-2026-0001': is there twice"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(text: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=re.escape(complaint)):
        read_document(text, "user.json")


def test_all_that_is_wrong_is_found_when_asked_for() -> None:
    assert len(list(problems(document(5, row(summary=1), row(cvss=1))))) == 4  # the last two have one id
    assert list(problems(document(vulnerabilities=None))) == ["vulnerabilities must be a list, products an object"]


def test_a_document_that_was_never_checked_fails_loudly() -> None:
    facts = merged(shipped_facts(), document(row(ranges=[{"fixed": "soon"}])), "user")

    with pytest.raises(ValueError, match="no version: 'soon'"):
        facts.product("sendmail")


def test_checking_does_not_change_a_document() -> None:
    one = document(row())
    other = deepcopy(one)

    assert list(problems(one)) == []
    assert one == other


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ([], "must be an object"),
        ({"covered_since": "soon"}, "covered_since must be a version"),
        ({"covered_since": None}, "covered_since must be a version"),
        ({"releases_complete_from": 8}, "releases_complete_from must be a version"),
        ({"latest": "new"}, "latest must be a version"),
        ({"branches": [{"branch": "2019", "first": "SE"}]}, "the first version of a branch must be a version"),
        ({"latest_date": "2026-11"}, "latest_date must be a date"),
        ({"flaws_from": "2026"}, "flaws_from must be a date"),
        ({"snapshots": ["soon"]}, "a snapshot must be a version"),
        ({"lines": {"sendmail": ["8.1", "soon"]}}, "lines must have the versions of a first and a last release"),
        ({"releases": {"8.18.2": "2025-12"}}, "the day of a release must be a date, or null"),
        ({"branches": [{"branch": "8.18", "latest_date": "soon"}]}, "the latest_date of a branch must be a date"),
    ],
)
def test_what_is_claimed_of_a_product_must_be_readable(entry: Any, problem: str) -> None:
    assert list(problems(document(products={"sendmail": entry}))) == [f"product 'sendmail': {problem}"]


def test_a_product_is_covered_since_a_release_or_not_at_all() -> None:
    sendmail, exchange = shipped_facts().product("sendmail"), shipped_facts().product("exchange")

    assert sendmail is not None
    assert sendmail.covered_since == version_key("sendmail", sendmail.facts["covered_since"])
    assert exchange is not None
    assert (exchange.covered_since is None) == ("covered_since" not in exchange.facts)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"flaws_from": "soon"}, "product 'exim': flaws_from must be a date"),
        ({"release_names": ["4.96"]}, "product 'exim': release_names must be an object whose keys are versions"),
        (
            {"release_names": {"newest": "Exim"}},
            "product 'exim': release_names must be an object whose keys are versions",
        ),
    ],
)
def test_a_wrong_entry_of_a_product_is_named(entry: dict[str, Any], complaint: str) -> None:
    assert list(problems(document(products={"exim": entry}))) == [complaint]


def test_the_day_of_publication_may_be_unknown() -> None:
    assert list(problems(document(row(published="left out"), row(id="CVE-2026-0002", systems=["HP-UX"])))) == []
