"""A short run of the fuzz of identification; `python -m benchmarks.fuzz_identify` is the long one."""

import random

import pytest

from benchmarks.fuzz_identify import broken_promises, fuzz, mutated, products_of, rules_with_examples
from scanner.identify import Fingerprints
from scanner.model import Software


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_greetings_raise_nothing_and_are_not_taken_for_what_they_mention(seed: int) -> None:
    result = fuzz(5, seed)

    assert result.problems == []
    assert result.greetings > 5 * 300


def test_the_same_seed_makes_the_same_mutations() -> None:
    runs = [[mutated(b"220 h ESMTP Postfix", ["exim"], random.Random(seed)) for _ in range(50)] for seed in (3, 3, 4)]

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_wrong_product_and_a_control_byte_would_be_found() -> None:
    said = (Software(product="Exim", version="1\x1b", confidence=0.9, evidence="exim.version"),)

    assert list(broken_promises(said, {"Postfix"})) == ["is taken for Exim by exim.version", "version is '1\\x1b'"]
    assert list(broken_promises((), {"Postfix"})) == []


def test_a_filter_leaves_the_greeting_of_the_server_behind_it() -> None:
    rules = {rule.id: rule for rule in rules_with_examples()}
    fingerprints = Fingerprints(rules.values())

    products = products_of(rules["trend.interscan-front"], fingerprints)
    assert {"InterScan VirusWall", "Postfix"} <= products
    assert "Exim" not in products


def test_a_greeting_with_two_names_of_its_own_may_be_taken_for_either() -> None:
    rules = {rule.id: rule for rule in rules_with_examples()}

    products = products_of(rules["postfix.word-before"], Fingerprints(rules.values()))
    assert {"Postfix", "iRedMail"} <= products
    assert "Sendmail" not in products
