"""Claims about the answer beside the findings: what a list of flaws is worth, in words, in a record, and read back."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from scanner.assess import Assessor, assess, shipped_facts
from scanner.assess.backports import shipped_backports
from scanner.assess.facts import Facts
from scanner.model import Answer, Assessment, Software
from scanner.record import decode, encode
from scanner.record.encoded_parts import MOST_KEPT
from tests.support.records import VALIDATOR, full_record

COVERED = Assessment(Answer.NONE_KNOWN, "8.8.0", 41, "2026-11-22")


def software(product: str, version: str | None = None, **more: Any) -> Software:
    return Software(product=product, version=version, **more)


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Sendmail as shipped at a day, its coverage fixed here; one product that nobody searched; one without releases."""
    document = shipped_facts().document
    sendmail = {**document["products"]["sendmail"], "covered_since": "8.8.0", "releases_complete_from": "8.7"}
    rows = [row for row in document["vulnerabilities"] if row["product"] in {"sendmail", "exchange"}]
    exchange = {key: value for key, value in document["products"]["exchange"].items() if key != "covered_since"}
    bare = {**exchange, "covered_since": "1.0", "name": "Bare", "names": ["Bare"], "branches": []}
    del bare["latest"], bare["releases"]
    products = {"sendmail": sendmail, "exchange": exchange, "bare": bare}
    return Facts({**document, "compiled": "2026-11-22", "products": products, "vulnerabilities": rows}, "here")


@pytest.fixture(scope="module")
def answer(facts: Facts) -> Callable[[Software], Assessment]:
    assessor = Assessor(facts, shipped_backports())
    return lambda found: assessor.answer(found).assessment


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (software("Sendmail", "8.14.7"), Answer.KNOWN_FLAWS),
        (software("Sendmail", "8.18.2"), Answer.NONE_KNOWN),
        (software("sendmail", "8.18.2"), Answer.NONE_KNOWN),
        (software("Sendmail", "8.6.9"), Answer.NOT_COVERED),  # older than all that were searched
        (software("Sendmail", "8.99"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "8.18.3"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "9.0"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "8.10.7"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "8.14.10"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "8.18.3.Beta1"), Answer.VERSION_UNKNOWN),
        (software("Sendmail", "8.10.7.Beta1"), Answer.VERSION_UNKNOWN),
        (software("Sendmail"), Answer.NO_VERSION),
        (software("Sendmail", "nightly"), Answer.UNDECIDED),
        (software("Sendmail", "2.1", product_line="Switch"), Answer.UNDECIDED),
        (software("Sendmail", "8.17.1.9"), Answer.KNOWN_FLAWS),  # something added to a release
        (software("Sendmail", "8.11.6", patch="p2"), Answer.KNOWN_FLAWS),
        (software("Sendmail", "8.16.0.29"), Answer.KNOWN_FLAWS),  # came before the first release of its branch
        (software("Microsoft Exchange Server", "15.2.1544.36"), Answer.NOT_COVERED),
        (software("Microsoft Exchange Server"), Answer.NOT_COVERED),
        (software("FortiMail", "7.4.1"), Answer.NOT_COVERED),
        (software("FortiMail"), Answer.NOT_COVERED),
        (software("Bare", "1.1"), Answer.VERSION_UNKNOWN),
    ],
    ids=lambda each: "-".join(filter(None, (each.product, each.version))) if isinstance(each, Software) else each,
)
def test_an_answer_is_given_only_where_somebody_looked(
    answer: Callable[[Software], Assessment], found: Software, wanted: Answer
) -> None:
    given = answer(found)

    assert given.answer == wanted
    assert given.facts_of == "2026-11-22"
    assert given.is_known == (wanted in {Answer.KNOWN_FLAWS, Answer.NONE_KNOWN})


def test_why_a_version_is_unknown_is_a_finding(facts: Facts) -> None:
    assessor = Assessor(facts, shipped_backports())

    def why(version: str) -> list[str | None]:
        found = assessor.assess(software("Sendmail", version))
        return [each.evidence for each in found if each.id == "VERSION-UNKNOWN"]

    assert why("8.99") == ["Sendmail 8.99: it is newer than 8.18.2, the newest release known here"]
    assert why("8.10.7") == ["Sendmail 8.10.7: it is newer than 8.10.2, the newest release of its branch known here"]
    assert why("8.9.2.5") == ["Sendmail 8.9.2.5: no such release is known here, nor what was added to 8.9.2"]
    assert why("8.9.2.20060308") == []  # a day: somebody's build of 8.9.2
    assert why("8.7.7") == []  # before the search began
    assert why("8.14.7") == []


def test_the_newest_of_a_branch_ends_what_is_known_of_it() -> None:
    found = assess(software("Postfix", "3.8.99"))

    evidence = next(each.evidence for each in found if each.id == "VERSION-UNKNOWN")
    assert str(evidence).endswith("the newest release of its branch known here")


def test_a_release_to_ask_for_is_one_whose_flaws_were_searched_for(facts: Facts) -> None:
    document = {**facts.document, "products": {**facts.document["products"]}}
    document["products"]["sendmail"] = {**document["products"]["sendmail"], "covered_since": "8.19.0"}
    newer = Assessor(Facts(document, "here"), shipped_backports())

    found = newer.assess(software("Sendmail", "8.14.7"))

    assert [each.id for each in found if each.id == "NEXT-RELEASE"] == []
    shipped = Assessor(facts, shipped_backports()).assess(software("Sendmail", "8.14.7"))
    assert [each.fixed_in for each in shipped if each.id == "NEXT-RELEASE"] == ["8.18.1"]


@pytest.mark.parametrize(
    ("assessment", "words"),
    [
        (COVERED, "none known (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (COVERED._replace(answer=Answer.KNOWN_FLAWS), "known (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (COVERED._replace(answer=Answer.UNDECIDED), "undecided (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (COVERED._replace(answer=Answer.NO_VERSION), "no version shown (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (
            COVERED._replace(answer=Answer.VERSION_UNKNOWN, facts=1),
            "unknown version (covered since 8.8.0, 1 fact of 2026-11-22)",
        ),
        (COVERED._replace(answer=Answer.NOT_COVERED), "not covered (covered since 8.8.0, 41 facts of 2026-11-22)"),
        (Assessment(Answer.NOT_COVERED, None, 0, "2026-11-22"), "not covered (facts of 2026-11-22)"),
    ],
)
def test_an_answer_in_words_has_the_day_of_the_facts(assessment: Assessment, words: str) -> None:
    assert str(assessment) == words


def test_a_record_carries_the_answer_and_is_read_back() -> None:
    record = full_record()._replace(assessment=COVERED)
    written = orjson.loads(encode(record))

    assert written["assessment"] == {
        "answer": "none_known",
        "covered_since": "8.8.0",
        "facts": 41,
        "facts_of": "2026-11-22",
    }
    VALIDATOR.validate(written)
    assert decode(encode(record)).assessment == COVERED
    assert encode(decode(encode(record))) == encode(record)


def test_a_record_of_an_earlier_version_has_no_answer() -> None:
    written = orjson.loads(encode(full_record()._replace(assessment=COVERED)))
    del written["assessment"]

    assert decode(orjson.dumps(written)).assessment is None


def test_more_answers_than_are_kept_encoded_are_written_each_as_it_is() -> None:
    for count in range(MOST_KEPT + 2):
        answer = COVERED._replace(facts=count)
        line = encode(full_record()._replace(assessment=answer))
        assert orjson.loads(line)["assessment"]["facts"] == count
        assert encode(full_record()._replace(assessment=answer)) == line
