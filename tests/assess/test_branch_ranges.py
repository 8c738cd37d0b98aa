"""Claims about what lies between the ranges of a row: candidates, snapshots, gaps; nothing there is clean by chance."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess import Assessor, assess, shipped_facts, version_key
from scanner.assess.backports import shipped_backports
from scanner.assess.facts import Facts, Product, merged
from scanner.assess.ranges import Flaw, FlawMatch, ReleasePosition, maybe_flaw_match
from scanner.assess.releases import Releases, releases_of
from scanner.assess.versions import VersionKey, branch_of, extends, is_before_release, release_of
from scanner.model import Finding, Software

SHIPPED = shipped_facts()
PRODUCTS = [product for key in SHIPPED.names() if (product := SHIPPED.product(key)) is not None]


def key_of(product: str, text: str) -> VersionKey:
    key = version_key(product, text)
    assert key is not None
    return key


def verdicts(product: str, version: str) -> dict[str, str | None]:
    return {each.id: each.verdict for each in assess(Software(product=product, version=version)) if each.verdict}


def made(product: str, *rows: dict[str, Any], **entry: Any) -> Assessor:
    """Facts of one product of which these rows are all that is known."""
    document = SHIPPED.document
    described = {**document["products"][product], "releases": {}, "branches": [], "covered_since": "0.1"}
    described.pop("releases_complete_from", None)
    described |= entry
    full = [
        {
            "id": f"X-{number}-TEST",
            "product": product,
            "summary": "A test.",
            "published": "2026-01-01",
            "as_of": "2026-01-01",
            "sources": [],
            **row,
        }
        for number, row in enumerate(rows, 1)
    ]
    return Assessor(
        Facts({**document, "products": {product: described}, "vulnerabilities": full}, "made"), shipped_backports()
    )


def verdict(assessor: Assessor, product: str, version: str) -> str | None:
    found = assessor.assess(Software(product=product, version=version))
    return next((each.verdict for each in found if each.id == "X-1-TEST"), None)


@pytest.mark.parametrize("version", ["3.9-20231130", "3.9.0-RC1", "3.9-20231130-nonprod"])
def test_a_snapshot_after_the_fix_of_the_branch_before_is_undecided(version: str) -> None:
    """3.8.4 has the fix of CVE-2023-51764 and 3.9.0 never had the flaw; between them nobody can tell."""
    found = verdicts("Postfix", version)

    assert found["CVE-2023-51764"] == "undecided"
    assert found["CVE-2026-43964"] == "possible"  # a flaw of 3.9.0


@pytest.mark.parametrize("version", ["3.8-20230121", "3.8.0-RC1", "3.8.0", "3.8.3"])
def test_a_snapshot_has_the_flaws_of_the_release_it_came_before(version: str) -> None:
    assert verdicts("Postfix", version)["CVE-2023-51764"] == "possible"


def test_the_candidate_of_the_newest_branch_has_its_flaws() -> None:
    newest = verdicts("Postfix", "3.11.0")

    assert newest
    assert {name: verdicts("Postfix", "3.11.0-RC1")[name] for name in newest} == newest


@pytest.mark.parametrize(
    ("product", "candidate", "release"),
    [
        ("Exim", "4.99-RC1", "4.99"),
        ("Exim", "4.90_RC3", "4.90"),
        ("Exim", "4.90devstart_213-7c6ec81-XX", "4.90"),
        ("Exim", "4.97-dev", "4.97"),
        ("Sendmail", "8.12.0.Beta7", "8.12.0"),
        ("Sendmail", "8.12.0.Alpha1", "8.12.0"),
        ("Sendmail", "8.14.0.PreAlpha4", "8.14.0"),
        ("Sendmail", "8.16.0.29", "8.16.1"),  # Sendmail counts snapshots from 0
        ("Sendmail", "8.16.0", "8.16.1"),
        ("OpenSMTPD", "6.6.0-rc1", "6.6.0"),
        ("OpenSMTPD", "6.6.2p1-rc1", "6.6.2"),
        ("Domino", "8.5.0.Beta2", "8.5"),
        ("Haraka", "2.8.0-alpha.3", "2.8.0"),
    ],
)
def test_every_product_s_candidates_have_what_their_release_has(product: str, candidate: str, release: str) -> None:
    of_release = {name for name, verdict in verdicts(product, release).items() if verdict != "undecided"}

    assert of_release <= set(verdicts(product, candidate))
    assert "undecided" not in {verdicts(product, candidate)[name] for name in of_release}


def test_an_old_release_of_postfix_is_a_date() -> None:
    assert verdicts("Postfix", "20010228")["CVE-2003-0468"] == "possible"
    assert key_of("postfix", "20010228") < key_of("postfix", "1.0")
    assert key_of("postfix", "20010228-pl08") == key_of("postfix", "20010228")


BRANCHES = {"ranges": [{"introduced": "1.0.0", "fixed": "1.0.5"}, {"introduced": "1.2.0", "fixed": "1.2.3"}]}


@pytest.mark.parametrize(
    ("ranges", "version", "wanted"),
    [
        # the fix came somewhere between 1.0.0 and 1.1.0, unless the row says where
        ([{"fixed": "1.0.5"}, {"introduced": "1.2.0", "fixed": "1.2.1"}], "1.1-20260101", "undecided"),
        ([{"fixed": "1.0.5"}, {"introduced": "1.1-20250101", "fixed": "1.1-20260101"}], "1.1-20260101", None),
        ([{"fixed": "1.0.5"}, {"introduced": "1.1-20250101", "fixed": "1.1-20260101"}], "1.1-20251231", "possible"),
        ([{"fixed": "1.0.0"}], "1.1-20260101", None),  # clean since before the branch began
        ([{"introduced": "1.1.0", "fixed": "1.1.5"}], "1.1-20260101", "possible"),
        ([{"introduced": "1.1-20260201", "fixed": "1.1.5"}], "1.1-20260101", None),  # the row says when it came in
        ([{"introduced": "1.1-20260201", "fixed": "1.1.5"}], "1.1-20260202", "possible"),
        ([{"introduced": "1.0.4", "fixed": "1.0.6"}], "1.1-RC1", "undecided"),
        ([{"introduced": "1.1.0", "fixed": "1.1.1"}], "1.1.1-RC1", "possible"),  # before the fix by its number
        ([{"introduced": "1.1.0", "last_affected": "1.1.0"}], "1.1.1-RC1", "undecided"),
        ([{"introduced": "1.2.0", "fixed": "1.2.1"}], "1.1-20260101", None),
        # within one branch
        ([{"last_affected": "1.0.2"}, {"introduced": "1.0.6", "last_affected": "1.0.6"}], "1.0.4", "undecided"),
        ([{"fixed": "1.0.2"}, {"introduced": "1.0.6", "last_affected": "1.0.6"}], "1.0.4", None),
        ([{"last_affected": "1.0.2"}, {"introduced": "1.1.0", "last_affected": "1.1.1"}], "1.0.4", None),
        ([{"last_affected": "1.0.2"}, {"introduced": "1.0.1", "fixed": "1.0.2"}], "1.0.3", None),
        (
            [{"introduced": "1.0.1", "last_affected": "1.0.9"}, {"introduced": "1.0.2", "fixed": "1.0.3"}],
            "1.0.10",
            None,
        ),
        # with something added
        ([{"last_affected": "1.0.2"}], "1.0.2.20060308", "undecided"),
        ([{"last_affected": "1.0.2"}], "1.0.2p1", "undecided"),
        ([{"last_affected": "1.0.2"}], "1.0.3", None),
        ([{"last_affected": "1.0.2"}], "1.0.20", None),
        ([{"last_affected": "1.0"}], "1.0.1", None),  # a release, not something added to one
        ([{"last_affected": "1.0.2p1"}], "1.0.2p2", None),
        ([{"last_affected": "1.0.2"}], "1.0.2", "possible"),
    ],
)
def test_what_lies_between_the_bounds_of_a_row(ranges: list[dict[str, str]], version: str, wanted: str | None) -> None:
    branches = [
        {"branch": name, "latest": f"{name}.9", "released": "2020-01-01", "supported": True}
        for name in ("1.0", "1.1", "1.2")
    ]
    assessor = made("postfix", {"ranges": ranges}, branches=branches, latest="1.2.9")

    assert verdict(assessor, "Postfix", version) == wanted


def test_a_release_with_something_added_may_have_what_the_next_one_has() -> None:
    releases = {"8.17.1": "2021-08-17", "8.17.2": "2023-06-03", "8.18.1": "2024-01-31"}
    assessor = made(
        "sendmail",
        {"ranges": [{"introduced": "8.17.2", "fixed": "8.18.1"}]},
        releases=releases,
        releases_complete_from="8.17.1",
        latest="8.18.1",
    )

    assert verdict(assessor, "Sendmail", "8.17.1.9") == "undecided"
    assert verdict(assessor, "Sendmail", "8.17.1") is None
    assert verdict(assessor, "Sendmail", "8.17.2.1") == "possible"
    assert verdict(assessor, "Sendmail", "8.18.1.2") is None


@pytest.mark.parametrize(
    ("ranges", "wanted"),
    [
        ([{"introduced": "4.97", "fixed": "4.97.1"}], "possible"),
        ([{"introduced": "4.96", "last_affected": "4.96"}], "possible"),
        ([{"introduced": "4.98", "fixed": "4.98.1"}], None),
        ([{"fixed": "4.96"}], None),
    ],
)
def test_the_development_after_a_release_is_on_its_way_to_the_next_branch(
    ranges: list[dict[str, str]], wanted: str | None
) -> None:
    releases = {"4.96": "2022-06-25", "4.96.1": "2023-10-01", "4.97": "2023-11-04", "4.98": "2024-07-10"}
    assessor = made("exim", {"ranges": ranges}, releases=releases, latest="4.98.1")

    def of(version: str, package: str | None) -> str | None:
        found = assessor.assess(Software(product="Exim", version=version, package=package))
        return next((each.verdict for each in found if each.id == "X-1-TEST"), None)

    assert of("4.96", "58-g4e9ed49f8") == wanted
    assert of("4.96-58-g4e9ed49f8", None) == wanted
    assert of("4.98.1", "58-g4e9ed49f8") is None  # no later branch is known


def test_editions_are_not_mixed() -> None:
    ranges = [
        {"last_affected": "1.2", "edition": "standard"},
        {"introduced": "1.6", "last_affected": "1.7", "edition": "professional"},
    ]
    assessor = made("mailenable", {"ranges": ranges}, latest="1.9")

    assert verdict(assessor, "MailEnable", "1.4") is None
    ranges[1]["edition"] = "standard"
    assert verdict(made("mailenable", {"ranges": ranges}, latest="1.9"), "MailEnable", "1.4") == "undecided"


def test_an_undecided_flaw_says_why_and_names_the_release_to_ask_for() -> None:
    found: Finding = next(
        each for each in assess(Software(product="Postfix", version="3.9-20231130")) if each.id == "CVE-2023-51764"
    )

    assert str(found.evidence).endswith(
        "it came after affected releases and before one with the fix, which it may have or not"
    )
    assert str(found.fixed_in).startswith("3.9")


def test_no_candidate_is_asked_for_and_a_candidate_whose_release_is_out_is_not_supported() -> None:
    found = {each.id: each for each in assess(Software(product="Postfix", version="3.8.0-RC1"))}

    assert "-" not in str(found["NEXT-RELEASE"].fixed_in)
    assert found["END-OF-LIFE"].evidence == "3.8.0-RC1 came before the release 3.8.0, which took its place"
    old = {each.id: each for each in assess(Software(product="Postfix", version="3.7-20210424"))}
    assert str(old["END-OF-LIFE"].evidence).startswith("support of Postfix 3.7 ended on")
    assert "END-OF-LIFE" not in {each.id for each in assess(Software(product="Postfix", version="3.99-20260101"))}


def test_a_branch_is_known_by_its_number_or_by_its_first_version_else_not_at_all() -> None:
    branches = [
        {"branch": "1.0", "latest": "1.0.9", "supported": False},
        {"branch": "1.4", "latest": "1.4.9", "supported": True},
        {"branch": "2019", "latest": "2.0.9", "supported": False},
        {"branch": "SE", "first": "3.0.5", "latest": "3.0.9", "supported": False, "eol": "2026-01-01"},
    ]
    assessor = made("haraka", {"ranges": [{"fixed": "1.1-RC1"}]}, branches=branches, latest="3.0.9")

    def ended(version: str) -> list[str | None]:
        found = assessor.assess(Software(product="Haraka", version=version))
        return [each.evidence for each in found if each.id == "END-OF-LIFE"]

    assert ended("1.0.1") == ["support of Haraka 1.0 ended"]
    assert ended("1.2.0") == []  # between one that ended and one that is supported: nobody knows
    assert ended("1.4.1") == []
    assert ended("2.0.1") == []  # "2019" is no version of it
    assert ended("3.0.7") == ["support of Haraka SE ended on 2026-01-01"]


def between(product: Product) -> Iterator[tuple[Flaw, VersionKey, VersionKey]]:
    """Yield for every flaw its pairs of neighbouring affected versions that are named, within one branch."""
    for flaw in product.flaws:
        for edition in {each.edition for each in flaw.ranges}:
            ranges = [each for each in flaw.ranges if each.edition == edition]
            named = {key for each in ranges for key in (each.low, each.high) if key is not None}
            named |= {key for key, _, _ in product.releases}
            affected = sorted(key for key in named if any(each.covers(key) for each in ranges))
            for low, high in pairwise(affected):
                if branch_of(product.key, low) == branch_of(product.key, high):
                    yield flaw, low, high


@cache
def pairs_of(product: Product) -> list[tuple[Flaw, VersionKey, VersionKey]]:
    return list(between(product))


def says_fixed(flaw: Flaw, low: VersionKey, high: VersionKey, key: VersionKey) -> bool:
    return any(each.fixed is not None and low < each.high <= key < high for each in flaw.ranges)


def assert_nothing_between_is_clean(facts: Facts, product: Product, data: st.DataObject) -> None:
    pairs = pairs_of(product)
    if not pairs:
        return
    flaw, low, high = pairs[data.draw(st.integers(0, len(pairs) - 1))]
    numbers = [*low[0], *(0,) * (3 - len(low[0]))]
    step = data.draw(st.integers(0, 12))
    shape = data.draw(st.sampled_from(["{}.{}.{}", "{}.{}.{}.1", "{}.{}.{}p1", "{}.{}.{}-RC1", "{}.{}.{}.Beta2"]))
    text = shape.format(numbers[0], numbers[1], numbers[2] + step)
    key = version_key(product.key, text)
    if key is None or not low <= key <= high or says_fixed(flaw, low, high, key):
        return
    found = Assessor(facts, shipped_backports()).assess(Software(product=product.facts["names"][0], version=text))
    assert flaw.id in {each.id for each in found}, (flaw.id, text)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
@given(data=st.data())
def test_between_two_affected_releases_of_a_branch_nothing_is_clean_unless_a_row_says_so(
    product: Product, data: st.DataObject
) -> None:
    assert_nothing_between_is_clean(SHIPPED, product, data)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """A row as `vulns --update` makes it: NVD's bounds, and single versions."""
    numbers = st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 3), st.integers(0, 6)), min_size=2, max_size=8, unique=True
    )
    texts = [".".join(map(str, each)) for each in sorted(draw(numbers))]
    ranges: list[dict[str, str]] = []
    while texts:
        kind = draw(st.sampled_from(["fixed", "last_affected", "single", "open"]))
        low = texts.pop(0)
        if kind == "single" or not texts:
            ranges.append({"introduced": low, "last_affected": low})
        elif kind == "open":
            ranges.append({"last_affected": low})
        else:
            ranges.append({"introduced": low, kind: texts.pop(0)})
    return {
        "id": "CVE-2027-0001",
        "product": "haraka",
        "summary": "A test.",
        "ranges": draw(st.permutations(ranges)),
        "smtp_unauthenticated": None,
        "published": "2027-01-01",
        "as_of": "2027-01-01",
        "sources": [],
    }


@given(row=rows(), data=st.data())
def test_the_same_holds_for_rows_of_an_update(row: dict[str, Any], data: st.DataObject) -> None:
    facts = merged(SHIPPED, {"compiled": "2027-01-01", "vulnerabilities": [row]}, "user")
    product = facts.product("haraka")
    assert product is not None

    assert_nothing_between_is_clean(facts, product, data)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_every_candidate_of_every_release_has_the_release_s_flaws_or_says_undecided(product: Product) -> None:
    releases = releases_of(product)
    for key, text, _ in product.releases:
        candidate = version_key(product.key, f"{text}-RC1")
        if candidate is None or not is_before_release(candidate):
            continue  # MailEnable's numbers have no candidates
        place = releases.place(candidate)
        for flaw in product.flaws:
            match, of_release = maybe_flaw_match(flaw, place), maybe_flaw_match(flaw, releases.place(key))
            if of_release is not None and of_release.is_decided:
                assert match is not None, (flaw.id, text)
                assert match.is_decided, (flaw.id, text)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_the_release_to_ask_for_is_newer_and_has_no_flaw_known(product: Product) -> None:
    releases, name = Releases(product), product.facts["names"][0]
    for _, text, _ in product.releases:
        for shown in (text, f"{text}-RC1"):
            found = assess(Software(product=name, version=shown))
            for each in (each for each in found if each.id == "NEXT-RELEASE"):
                key, later = version_key(product.key, shown), version_key(product.key, str(each.fixed_in))
                assert key is not None
                assert later is not None
                assert later > key
                assert not is_before_release(later)
                assert [flaw.id for flaw in product.flaws if maybe_flaw_match(flaw, releases.place(later))] == []


def test_the_parts_of_an_order_of_versions() -> None:
    beta = key_of("sendmail", "8.12.0.Beta7")

    assert is_before_release(beta)
    assert release_of(beta) == key_of("sendmail", "8.12.0")
    assert release_of(key_of("opensmtpd", "6.8.0p1-rc1")) == key_of("opensmtpd", "6.8.0p1")
    assert branch_of("exim", key_of("exim", "4.94.2")) == (4, 94)
    assert branch_of("exim", key_of("exim", "5")) == (5, 0)
    assert branch_of("mailenable", key_of("mailenable", "1.54")) == (1,)
    assert not extends("sendmail", beta, "soon")
    assert not extends("mailenable", key_of("mailenable", "1.541"), "1.54")
    assert extends("sendmail", key_of("sendmail", "8.0.0.5"), "8.0.0")


def test_a_version_inside_of_a_range_is_decided() -> None:
    flaw = next(each for each in PRODUCTS[0].flaws if each.ranges[0].last_affected is not None)
    place = ReleasePosition(PRODUCTS[0].key, flaw.ranges[0].high)

    assert maybe_flaw_match(flaw, place) == FlawMatch([flaw.ranges[0]], is_decided=True)


def test_a_product_without_any_release_knows_no_version() -> None:
    entry = {"name": "N", "names": ["N"], "sources": [], "packaged": False, "support_policy": "None."}
    product = Product("n", (), (), entry, None, None)
    releases = Releases(product)

    assert releases.maybe_unknown(key_of("n", "1.0")) == "no release of it is known here"
    assert releases.next_clear(key_of("n", "1.0")) is None
    assert releases.maybe_first(key_of("n", "1.0")) is None
    assert releases.place(key_of("n", "1.0-RC1")).since is None
