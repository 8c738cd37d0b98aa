"""Rule data: every shipped rule keeps what its examples promise, and a mistake in a file is found while loading."""

import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from scanner.errors import RuleError
from scanner.identify import Fingerprints, RefusalRule, RefusalRules, Rule, shipped_refusals, shipped_rules
from scanner.identify.rule_files import FOLDER, compiled_rules, load_refusals, load_rules, read_rules
from scanner.identify.rules import COMPILED
from scanner.model import RefusalKind, Software
from scanner.smtp import parse_banner

RULES = read_rules()
REFUSALS = load_refusals((FOLDER / "refusals.toml").read_text(), "refusals.toml")
SHIPPED = Fingerprints(RULES)
COUNTEREXAMPLES = [(rule, greeting) for rule in RULES for greeting in rule.counterexamples]


def identified(fingerprints: Fingerprints, greeting: str) -> Software | None:
    return fingerprints.identify(parse_banner(greeting.encode() + b"\r\n"))


@pytest.mark.parametrize(
    ("rule", "number"),
    [(rule, number) for rule in RULES for number in range(len(rule.examples))],
    ids=lambda v: getattr(v, "id", v),
)
def test_an_example_gives_exactly_the_fields_it_promises(rule: Rule, number: int) -> None:
    example = rule.examples[number]
    software = identified(SHIPPED, example.greeting)
    assert software is not None
    assert software.evidence == rule.id
    assert software.confidence == rule.confidence
    expected = {"kind": "software", **rule.fixed, **example.expected}
    checked = {field.name for field in fields(Software)} - {"method", "confidence", "evidence"}
    if "cpe" not in expected:
        checked.remove("cpe")
    assert {name: getattr(software, name) for name in checked} == {name: expected.get(name) for name in checked}


@pytest.mark.parametrize(("rule", "greeting"), COUNTEREXAMPLES, ids=lambda value: getattr(value, "id", value))
def test_a_rule_leaves_its_counterexamples_alone(rule: Rule, greeting: str) -> None:
    assert identified(Fingerprints([rule]), greeting) is None


def test_what_the_program_reads_is_what_the_rule_files_say() -> None:
    """`python -m scanner.identify` writes it anew."""
    assert compiled_rules() == COMPILED.read_bytes()


def test_what_the_program_reads_gives_the_same_rules() -> None:
    for shipped, written in zip(shipped_rules(), RULES, strict=True):
        fields_ = {field.name for field in fields(Rule)} - {"examples", "counterexamples"}
        assert {name: getattr(shipped, name) for name in fields_} == {name: getattr(written, name) for name in fields_}
    assert [rule.id for rule in shipped_refusals()] == [rule.id for rule in REFUSALS]
    assert [rule.kind for rule in shipped_refusals()] == [rule.kind for rule in REFUSALS]


def test_the_file_is_written_by_running_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("scanner.identify.rules.COMPILED", tmp_path / "rules.json")
    runpy.run_module("scanner.identify", run_name="__main__")
    assert (tmp_path / "rules.json").read_bytes() == COMPILED.read_bytes()


def test_there_are_more_than_400_products() -> None:
    assert len({rule.fixed["product"] for rule in RULES}) >= 400


@pytest.mark.parametrize(
    ("rule", "greeting"),
    [(rule, greeting) for rule in REFUSALS for greeting in rule.examples],
    ids=lambda value: getattr(value, "id", value),
)
def test_an_example_of_a_refusal_is_told_by_its_rule(rule: RefusalRule, greeting: str) -> None:
    refusal = RefusalRules(REFUSALS).classify(parse_banner(greeting.encode() + b"\r\n"))
    assert refusal == (rule.kind, rule.refused_us, rule.id)


@pytest.mark.parametrize(
    ("rule", "greeting"),
    [(rule, greeting) for rule in REFUSALS for greeting in rule.counterexamples],
    ids=lambda value: getattr(value, "id", value),
)
def test_a_rule_for_refusals_leaves_its_counterexamples_alone(rule: RefusalRule, greeting: str) -> None:
    refusal = RefusalRules([rule]).classify(parse_banner(greeting.encode() + b"\r\n"))
    assert refusal is None or refusal.evidence is None


GOOD = {
    "id": '"foo.plain"',
    "words": '["foo"]',
    "pattern": "'''%{HOST}ESMTP Foo (?P<version>%{VERSION})'''",
    "confidence": "0.9",
    "software": '{ product = "Foo" }',
    "examples": '[{ greeting = "220 h ESMTP Foo 1.0", version = "1.0" }]',
}


def rule_file(**changes: str | None) -> str:
    """Return a file with one good rule, some keys changed or (None) left out."""
    table = {**GOOD, **changes}
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value is not None)


def test_a_good_file_gives_its_rules_with_what_it_leaves_out() -> None:
    (rule,) = load_rules(rule_file(), "own.toml")
    assert (rule.id, rule.source, rule.words, rule.grammar) == ("foo.plain", "own.toml", ("foo",), None)
    assert (rule.specificity, rule.confidence, rule.cpe, rule.codes, rule.flags) == (50, 0.9, None, frozenset(), ())
    assert identified(Fingerprints([rule]), "220 h ESMTP Foo 2.5") == Software(
        product="Foo", version="2.5", confidence=0.9, evidence="foo.plain"
    )


def test_a_file_has_fragments_of_its_own() -> None:
    text = "[fragments]\nFOO = 'Fo{2}'\n" + rule_file(pattern="'%{HOST}%{FOO}'", examples='[{ greeting = "220 Foo" }]')
    (rule,) = load_rules(text, "own.toml")
    assert re.match(rule.pattern, "h Foo")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": None}, "own.toml: rule number 1: id is missing"),
        ({"id": '"Foo"'}, "own.toml: rule Foo: the id must be words"),
        ({"id": "7"}, "own.toml: rule 7: id 7 has the wrong type"),
        ({"pattern": None}, "own.toml: rule foo.plain: pattern is missing"),
        ({"pattern": "'''ESMTP (Foo'''"}, "rule foo.plain: the pattern is not a regular expression"),
        ({"pattern": "'''ESMTP (Foo)'''"}, "rule foo.plain: the pattern has a group without a name"),
        ({"pattern": "'''.*Foo'''"}, "rule foo.plain: the repetition"),
        ({"pattern": "'''Foo (?P<colour>x)'''"}, "rule foo.plain: the pattern's group 'colour' is not a field"),
        ({"pattern": "'''Foo (?P<product>x)'''"}, "rule foo.plain: 'product' is fixed and captured"),
        ({"pattern": "'''Foo (?P<confidence>x)'''"}, "the pattern's group 'confidence' is not a field"),
        ({"pattern": "'''Foo (?P<cpe>x)'''"}, "the pattern's group 'cpe' is not a field"),
        ({"grammar": '"postfix"'}, "rule foo.plain: unknown grammar 'postfix': there is sendmail"),
        ({"grammar": '"sendmail"'}, "rule foo.plain: the grammar needs a group 'versions'"),
        ({"words": None}, "rule foo.plain: words or flags must be given"),
        ({"words": "[]"}, "rule foo.plain: words or flags must be given"),
        ({"words": '["Foo"]'}, "the word 'Foo' must be a-z and 0-9"),
        ({"words": '["foo-bar"]'}, "the word 'foo-bar' must be"),
        ({"words": '["220"]'}, "the word '220' must be"),
        ({"words": "[220]"}, "the word 220 must be"),
        ({"words": '["esmtp"]'}, "the word 'esmtp' is in too many greetings"),
        ({"words": '["sun"]'}, "the word 'sun' is in too many greetings"),
        ({"flags": '["mased"]'}, "unknown flag 'mased'"),
        ({"codes": "[42]"}, "42 is not a reply code"),
        ({"codes": '["220"]'}, "'220' is not a reply code"),
        ({"specificity": "101"}, "specificity must be 0 to 100"),
        ({"confidence": "1.0"}, "confidence must be more than 0 and less than 1"),
        ({"confidence": '"high"'}, "confidence 'high' has the wrong type"),
        ({"confidence": None}, "confidence is missing"),
        ({"software": '{ vendor = "Foo" }'}, "software.product is missing"),
        ({"software": '{ product = "Foo", colour = "red" }'}, "unknown field software.colour"),
        ({"software": '{ product = "Foo", evidence = "x" }'}, "unknown field software.evidence"),
        ({"software": '{ product = "Foo", kind = "car" }'}, "software.kind 'car' is neither software nor service"),
        ({"software": '{ product = "Foo", version = 1.0 }'}, "software.version must be text"),
        ({"software": '{ product = "Foo", cpe = "cpe:/a:foo:foo" }'}, "software.cpe 'cpe:/a:foo:foo' is not a CPE 2.3"),
        ({"examples": None}, "rule foo.plain: examples is missing"),
        ({"examples": "[]"}, "rule foo.plain: at least one example is needed"),
        ({"examples": '["220 h"]'}, "the example '220 h' has no greeting"),
        ({"examples": '[{ version = "1" }]'}, "has no greeting"),
        ({"examples": '[{ greeting = "220 h", colour = "red" }]'}, "an example expects an unknown field 'colour'"),
        ({"examples": '[{ greeting = "220 h", version = 1 }]'}, "expects version to be 1, which is not text"),
        ({"counterexamples": "[1]"}, "the counterexample 1 is not text"),
        ({"colour": '"red"'}, "own.toml: rule foo.plain: unknown key 'colour'"),
    ],
)
def test_a_mistake_in_a_rule_is_found_with_file_and_rule_named(changes: dict[str, str | None], problem: str) -> None:
    with pytest.raises(RuleError) as error:
        load_rules(rule_file(**changes), "own.toml")
    assert problem in str(error.value)
    assert str(error.value).startswith("own.toml: rule ")


GOOD_REFUSAL = {
    "id": '"foo.busy"',
    "words": '["busy"]',
    "pattern": "'''Foo is busy'''",
    "kind": '"overload"',
    "refused_us": "false",
    "examples": '["421 Foo is busy"]',
}


def refusal_file(**changes: str | None) -> str:
    table = {**GOOD_REFUSAL, **changes}
    return "[[refusal]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value is not None)


def test_a_good_file_of_refusals_gives_its_rules() -> None:
    (rule,) = load_refusals(refusal_file(codes="[421]"), "own.toml")
    assert (rule.id, rule.kind, rule.refused_us, sorted(rule.codes)) == ("foo.busy", RefusalKind.OVERLOAD, False, [421])
    assert (rule.examples, rule.counterexamples, rule.specificity) == (("421 Foo is busy",), (), 50)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": None}, "kind is missing"),
        ({"kind": '"tired"'}, "unknown kind 'tired': there is dnsbl, early_talker, "),
        ({"refused_us": '"yes"'}, "refused_us 'yes' has the wrong type"),
        ({"pattern": "'(?P<version>Foo)'"}, "the pattern of a refusal captures nothing"),
        ({"pattern": "'(Foo'"}, "the pattern is not a regular expression"),
        ({"examples": "[1]"}, "the example {'greeting': 1} has no greeting"),
        ({"words": '["Busy"]'}, "the word 'Busy' must be a-z and 0-9"),
        ({"software": "{}"}, "unknown key 'software'"),
    ],
)
def test_a_mistake_in_a_rule_for_refusals_is_found(changes: dict[str, str | None], problem: str) -> None:
    with pytest.raises(RuleError) as error:
        load_refusals(refusal_file(**changes), "own.toml")
    assert problem in str(error.value)
    assert str(error.value).startswith("own.toml: rule foo.busy: ")


def test_a_refusal_may_have_words_that_all_greetings_have() -> None:
    assert load_refusals(refusal_file(words='["service"]'), "own.toml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]", "own.toml: not TOML: "),
        ("", "own.toml: no rule"),
        ("rule = 1", "own.toml: no rule"),
        ("rule = [1]", "own.toml: no rule"),
        ("rules = []", "own.toml: unknown key 'rules'"),
        ("fragments = 1\n" + rule_file(), "own.toml: fragments must be a table of texts"),
        ("[fragments]\nFOO = 1\n" + rule_file(), "own.toml: fragments must be a table of texts"),
    ],
)
def test_a_mistake_in_a_file_is_found_with_the_file_named(text: str, problem: str) -> None:
    with pytest.raises(RuleError) as error:
        load_rules(text, "own.toml")
    assert str(error.value).startswith(problem)
