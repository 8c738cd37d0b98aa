"""Claims about what stands behind a version: an end that nobody can read never makes it the release without it."""

from datetime import date

import pytest

from scanner.assess import Assessor, shipped_facts, version_key
from scanner.assess.backports import shipped_backports
from scanner.assess.facts import Product
from scanner.assess.releases import releases_of
from scanner.assess.versions import DECIMAL_FRACTION, maybe_unread
from scanner.model import Answer, Software
from scanner.policy.flaws import judge_exploited, judge_version
from scanner.policy.judges import RuleOutcome
from tests.support.records import full_record

FACTS = shipped_facts()
ASSESSOR = Assessor(FACTS, shipped_backports())
PRODUCTS = [product for key in FACTS.names() if (product := FACTS.product(key)) is not None]
TODAY = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("version", "unread"),
    [
        ("4.97_foo", "_foo"),
        ("4.97.1_foo", "_foo"),
        ("4.97foo", "foo"),
        ("4.97-foo", "-foo"),
        ("4.97.Delta0", ".Delta0"),
        ("4.97+foo", "+foo"),
        ("4.97~git20240101", "~git"),
        ("8.18.1x", "x"),
        ("8.18.1-x", "-x"),
        ("4.98-current", "-current"),
        ("4.98-M1", "-M"),
        ("4.98.head", ".head"),
        ("4.97", None),
        ("4.97.1", None),
        ("v4.97", None),
        ("8.11.6p2", None),
        ("4.84_2", None),
        ("8.9.3+Sun", None),
        ("8.15.2/8.15.2", None),
        ("8.9.3 (PHNE_18979)", None),
        ("4.96-15+deb12u10", None),
        ("4.96-15", None),
        ("4.99-RC1", None),
        ("4.97.1-dev", None),
        ("3.7.3-SNAPSHOT", None),
        ("4.90devstart_213-7c6ec81-XX", None),
        ("8.12.0.Beta7", None),
        ("8.15_GA_3869", None),
        ("4.96 foo", None),
        ("no version", None),
    ],
)
def test_what_stands_behind_a_version_is_known_or_named(version: str, unread: str | None) -> None:
    assert maybe_unread("exim", version) == unread


def newest_clear(product: Product) -> str:
    releases = [text for key, text, _ in product.releases if releases_of(product).maybe_unknown(key) is None]
    return releases[-1] if releases else str(product.flaws[-1].ranges[0].fixed or "1.0")


@pytest.mark.parametrize("end", ["_foo", "-foo", "foo", ".Delta0", "x", "-current", "-M1", "-next", "+foo", "-Final2"])
@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_no_product_is_told_by_a_release_with_an_end_that_nobody_can_read(product: Product, end: str) -> None:
    name, version = product.facts["names"][0], newest_clear(product)
    plain = ASSESSOR.answer(Software(product=name, version=version))
    shown = version + end
    if product.key in DECIMAL_FRACTION and version_key(product.key, shown) is None:
        return

    assessed = ASSESSOR.answer(Software(product=name, version=shown))

    assert not assessed.assessment.is_known
    listed = {each.id for each in assessed.findings if each.verdict is not None}
    assert {each.id for each in plain.findings if each.verdict is not None} <= listed
    assert "affected_upstream" not in {each.verdict for each in assessed.findings}


def test_what_cannot_be_read_is_said_in_the_finding() -> None:
    assessed = ASSESSOR.answer(Software(product="Exim", version="4.100.2_foo"))

    assert assessed.assessment.answer is Answer.UNDECIDED
    assert [each.evidence for each in assessed.findings if each.id == "VERSION-UNDECIDED"] == [
        "Exim 4.100.2_foo: what '_foo' behind it means is not known, so it may be another state than the release"
    ]
    assert "VERSION-AGE" not in {each.id for each in assessed.findings}


@pytest.mark.parametrize(
    ("version", "outcome"), [("4.98_foo", RuleOutcome.NOT_JUDGED), ("4.96_foo", RuleOutcome.FAILED)]
)
def test_no_gate_passes_it(version: str, outcome: RuleOutcome) -> None:
    software = Software(product="Exim", version=version)
    assessed = ASSESSOR.answer(software)
    record = full_record()._replace(software=software, findings=(), assessment=assessed.assessment)

    judgement = judge_version(record, {"versions": {"Exim": "4.97"}}, TODAY)
    assert judgement is not None
    assert judgement.outcome is outcome
    exploited = judge_exploited(record, {"verdicts": ("possible",)}, TODAY)
    assert exploited is not None
    assert exploited.outcome is RuleOutcome.NOT_JUDGED


def beyond(product: Product) -> list[str]:
    """Return versions that no facts know: the newest release of each branch with its last number raised."""
    ends = {text for _, text, _ in product.releases if text.rpartition(".")[2].isdigit()}
    ends = {product.facts["latest"].removesuffix("p0")} | set(sorted(ends)[-20:])
    raised = (
        f"{head}.{int(last) + more}" for head, _, last in (end.rpartition(".") for end in ends) for more in (50, 99)
    )
    known = {key for key, _, _ in product.releases}
    return [text for text in raised if version_key(product.key, text) not in known]


@pytest.mark.parametrize(
    "product", [each for each in PRODUCTS if "latest" in each.facts], ids=lambda product: product.key
)
def test_a_release_that_no_facts_know_is_unknown_and_never_clean(product: Product) -> None:
    name = product.facts["names"][0]

    answers = {
        text: ASSESSOR.answer(Software(product=name, version=text)).assessment.answer for text in beyond(product)
    }

    assert len(answers) >= 2
    assert Answer.NONE_KNOWN not in answers.values()
    head, _, last = product.facts["latest"].removesuffix("p0").rpartition(".")
    assert {answers[f"{head}.{int(last) + more}"] for more in (50, 99)} == {Answer.VERSION_UNKNOWN}
