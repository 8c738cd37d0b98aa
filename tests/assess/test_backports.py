"""Claims about `scanner.assess.backports`: Debian's order of packages, and which package carries which fix."""

import shutil
import subprocess
from importlib import resources
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.assess.backports import (
    Backports,
    compare_debian,
    maybe_debian_version,
    shipped_backports,
)
from scanner.assess.facts import shipped_facts
from tests.support.requirements import require_or_skip

VERSIONS = st.from_regex(r"(?:[0-9]:)?[0-9][0-9a-z.+~]{0,8}(?:-[0-9][0-9a-z.+~]{0,6})?", fullmatch=True)
TABLE = shipped_backports()


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@pytest.mark.parametrize(
    "ascending",
    [
        "1.0~~-1 1.0~beta1-1 1.0-1",
        "8.17.1.9-2~bpo11+1 8.17.1.9-2 8.17.1.9-2+deb12u1 8.17.1.9-2+deb12u2 8.17.1.9-2+deb12u10 8.17.1.9-3",
        "4.9-1 4.10-1 4.96-15 4.96-15+deb12u1 4.96-16 4.97~RC1-1 4.97-1 1:4.0-1",
        "1.0 1.0-1 1.0a-1 1.0.1-1",
    ],
)
def test_packages_ascend(ascending: str) -> None:
    versions = ascending.split()

    assert [(a, b) for a, b in pairwise(versions) if compare_debian(a, b) >= 0] == []
    assert [(a, b) for a, b in pairwise(versions) if compare_debian(b, a) <= 0] == []


def test_no_revision_is_revision_0_and_leading_zeros_say_nothing() -> None:
    assert compare_debian("1.0", "1.0-0") == 0
    assert compare_debian("1.01-1", "1.1-01") == 0
    assert compare_debian("0:1.0-1", "1.0-1") == 0


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_is_antisymmetric_and_transitive(a: str, b: str, c: str) -> None:
    assert sign(compare_debian(a, b)) == -sign(compare_debian(b, a))
    assert compare_debian(a, a) == 0
    if compare_debian(a, b) <= 0 and compare_debian(b, c) <= 0:
        assert compare_debian(a, c) <= 0


@pytest.mark.tools
@settings(max_examples=150)
@given(VERSIONS, VERSIONS)
def test_dpkg_agrees(a: str, b: str) -> None:
    require_or_skip(shutil.which("dpkg") is not None, "needs dpkg (Debian's) to compare with")
    relation = {-1: "lt", 0: "eq", 1: "gt"}[sign(compare_debian(a, b))]

    assert subprocess.run(["dpkg", "--compare-versions", a, relation, b], check=False).returncode == 0


@pytest.mark.parametrize(
    ("version", "package", "full"),
    [
        ("8.17.1.9", "Debian-2+deb12u2", "8.17.1.9-2+deb12u2"),
        ("8.14.4", "Debian-8+deb8u2", "8.14.4-8+deb8u2"),
        ("8.12.0.Beta7", "Debian 8.12.0.Beta7-1", "8.12.0.Beta7-1"),
        ("4.96", "15+deb12u4", "4.96-15+deb12u4"),
        ("4.96", "4.96-15+deb12u4", "4.96-15+deb12u4"),
        ("4.96", "4.96-15+deb12u4+b1", "4.96-15+deb12u4+b1"),
        ("4.89", "122312", None),  # a hoster's build number
        ("8.13.5.20060308", "Debian-3ubuntu1.1", None),
        ("8.17.1.9", "Debian-2~bpo11+1", None),
        ("8.9.3", "SuSE Linux 8.9.3-0.1", None),
        ("8.11.0", "Debian 8.9.3-21", None),  # the package of another version
        ("8.11.0", "", None),
        ("8.11.0", "Debian-" + "1" * 100, None),
    ],
)
def test_a_greeting_gives_the_full_version_of_debians_package_only(
    version: str, package: str, full: str | None
) -> None:
    assert maybe_debian_version(version, package) == full


@pytest.mark.parametrize(
    ("package", "flaw", "carries"),
    [
        ("8.17.1.9-2+deb12u1", "CVE-2023-51765", True),
        ("8.17.1.9-2+deb12u2", "CVE-2023-51765", True),
        ("8.17.1.9-2+deb12u1+b1", "CVE-2023-51765", True),
        ("8.17.1.9-2", "CVE-2023-51765", False),
        ("8.17.1.9-1", "CVE-2023-51765", False),
        ("8.17.1.9-3", "CVE-2023-51765", None),  # unstable went on without the branch for Debian 12
        ("8.17.1.9-2+deb13u1", "CVE-2023-51765", None),
        ("8.17.1.9-2+deb11u9", "CVE-2023-51765", None),
        ("8.17.2-1", "CVE-2023-51765", None),
        ("8.15.2-22+deb11u3", "CVE-2023-51765", True),
        ("8.15.2-22", "CVE-2023-51765", False),
        ("8.14.4-5", "CVE-2014-3956", False),
        ("8.14.4-6", "CVE-2014-3956", True),
        ("8.14.4-8+deb8u2", "CVE-2014-3956", True),
        ("8.14.4-4+deb7u1", "CVE-2014-3956", None),  # a branch from before, with fixes of its own
        ("8.17.1.9-2+deb12u2", "CVE-2021-3618", None),
        ("8.17.1.9-2+deb12u2", "CVE-1999-0001", None),
    ],
)
def test_the_table_answers_inside_one_line_of_packages(package: str, flaw: str, *, carries: bool | None) -> None:
    answer = TABLE.maybe_answer("sendmail", package, flaw)

    assert (None if answer is None else answer.carries) is carries


@pytest.mark.parametrize(
    ("package", "fixed"),
    [
        ("4.96-15", 0),
        ("4.96-15+deb12u1", 0),
        ("4.96-15+deb12u2", 3),
        ("4.96-15+deb12u4", 6),
        ("4.96-15+deb12u7", 8),
        ("4.96-15+deb12u10", 14),
        ("4.96-15+deb12u11", 20),
    ],
)
def test_debian_12_fixes_exim_4_96_step_by_step(package: str, fixed: int) -> None:
    flaws = {flaw for row in _rows("exim") if row["fixed"].startswith("4.96-15") for flaw in row["ids"]}
    answers = [TABLE.maybe_answer("exim", package, flaw) for flaw in flaws]

    assert len(flaws) == 20
    assert [answer for answer in answers if answer is None] == []
    assert sum(answer.carries for answer in answers if answer is not None) == fixed


def test_a_product_without_a_table_has_no_answer() -> None:
    assert TABLE.maybe_answer("postfix", "3.7.11-0+deb12u1", "CVE-2023-51764") is None


def test_every_line_of_the_shipped_table_names_a_flaw_of_the_data_a_package_and_its_source() -> None:
    products = {row["id"]: row["product"] for row in shipped_facts().document["vulnerabilities"]}
    for product in ("exim", "sendmail"):
        for row in _rows(product):
            assert {products[flaw] for flaw in row["ids"]} == {product}
            upstream, _, revision = row["fixed"].rpartition("-")
            assert maybe_debian_version(upstream, f"Debian-{revision}") == row["fixed"]
            assert row["source"].startswith("Debian changelog of ")


def test_a_table_of_ones_own_is_used_as_it_is() -> None:
    table = Backports({"products": {"x": [{"fixed": "1-2", "ids": ["F"], "source": "s", "note": "n"}]}})
    answer = table.maybe_answer("x", "1-2", "F")

    assert answer is not None
    assert (answer.carries, answer.fix.source, answer.fix.note) == (True, "s", "n")


def _rows(product: str) -> list[dict[str, Any]]:
    file = resources.files("scanner.assess") / "data" / "backports.json"
    document = orjson.loads(file.read_bytes())
    assert document["format"] == "smtpsweep.backports/1"
    rows: list[dict[str, Any]] = document["products"][product]
    return rows
