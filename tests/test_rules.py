"""Rule data: every shipped rule keeps what its examples promise, and a mistake in a file is found while loading."""

from dataclasses import fields
from importlib import resources

import pytest

from scanner.errors import RuleError
from scanner.identify import Fingerprints, Rule, load_rules, shipped_rules
from scanner.model import Software
from scanner.smtp import parse_greeting

RULES = shipped_rules()
SHIPPED = Fingerprints(RULES)
COUNTEREXAMPLES = [(rule, greeting) for rule in RULES for greeting in rule.counterexamples]


def identified(fingerprints: Fingerprints, greeting: str) -> Software | None:
    return fingerprints.identify(parse_greeting(greeting.encode() + b"\r\n"))


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
    expected = {**rule.fixed, **example.expected}
    checked = {field.name for field in fields(Software)} - {"method", "confidence", "evidence"}
    if "cpe" not in expected:
        checked.remove("cpe")
    assert {name: getattr(software, name) for name in checked} == {name: expected.get(name) for name in checked}


@pytest.mark.parametrize(("rule", "greeting"), COUNTEREXAMPLES, ids=lambda value: getattr(value, "id", value))
def test_a_rule_leaves_its_counterexamples_alone(rule: Rule, greeting: str) -> None:
    assert identified(Fingerprints([rule]), greeting) is None


def test_the_rule_files_are_part_of_the_package() -> None:
    names = {file.name for file in (resources.files("scanner.identify") / "rules").iterdir()}
    assert {rule.source for rule in RULES} == {name for name in names if name.endswith(".toml")}
    assert {"sendmail.toml", "postfix.toml", "exim.toml"} <= names


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
    assert (rule.id, rule.source, rule.words, rule.groups) == ("foo.plain", "own.toml", ("foo",), ("version",))
    assert (rule.specificity, rule.confidence, rule.cpe, rule.codes, rule.flags) == (50, 0.9, None, frozenset(), ())
    assert identified(Fingerprints([rule]), "220 h ESMTP Foo 2.5") == Software(
        product="Foo", version="2.5", confidence=0.9, evidence="foo.plain"
    )


def test_a_file_has_fragments_of_its_own() -> None:
    text = "[fragments]\nFOO = 'Fo{2}'\n" + rule_file(pattern="'%{HOST}%{FOO}'", examples='[{ greeting = "220 Foo" }]')
    (rule,) = load_rules(text, "own.toml")
    assert rule.pattern.match("h Foo")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": None}, "own.toml: rule number 1: id is missing"),
        ({"id": '"Foo"'}, "own.toml: rule Foo: the id must be words"),
        ({"id": "7"}, "own.toml: rule 7: id 7 has the wrong type"),
        ({"pattern": None}, "own.toml: rule foo.plain: pattern is missing"),
        ({"pattern": "'''ESMTP (Foo'''"}, "rule foo.plain: the pattern is no regular expression"),
        ({"pattern": "'''ESMTP (Foo)'''"}, "rule foo.plain: the pattern has a group without a name"),
        ({"pattern": "'''.*Foo'''"}, "rule foo.plain: the repetition"),
        ({"pattern": "'''Foo (?P<colour>x)'''"}, "rule foo.plain: the pattern's group 'colour' is no field"),
        ({"pattern": "'''Foo (?P<product>x)'''"}, "rule foo.plain: 'product' is fixed and captured"),
        ({"pattern": "'''Foo (?P<confidence>x)'''"}, "the pattern's group 'confidence' is no field"),
        ({"pattern": "'''Foo (?P<cpe>x)'''"}, "the pattern's group 'cpe' is no field"),
        ({"grammar": '"postfix"'}, "rule foo.plain: unknown grammar 'postfix': there is sendmail"),
        ({"grammar": '"sendmail"'}, "rule foo.plain: the grammar needs a group 'versions'"),
        ({"words": None}, "rule foo.plain: words or flags must be given"),
        ({"words": "[]"}, "rule foo.plain: words or flags must be given"),
        ({"words": '["Foo"]'}, "the word 'Foo' must be a-z and 0-9"),
        ({"words": '["foo-bar"]'}, "the word 'foo-bar' must be"),
        ({"words": '["220"]'}, "the word '220' must be"),
        ({"words": "[220]"}, "the word 220 must be"),
        ({"words": '["esmtp"]'}, "the word 'esmtp' is in too many greetings"),
        ({"flags": '["mased"]'}, "unknown flag 'mased'"),
        ({"codes": "[42]"}, "42 is no reply code"),
        ({"codes": '["220"]'}, "'220' is no reply code"),
        ({"specificity": "101"}, "specificity must be 0 to 100"),
        ({"confidence": "1.0"}, "confidence must be more than 0 and less than 1"),
        ({"confidence": '"high"'}, "confidence 'high' has the wrong type"),
        ({"confidence": None}, "confidence is missing"),
        ({"software": '{ vendor = "Foo" }'}, "software.product is missing"),
        ({"software": '{ product = "Foo", colour = "red" }'}, "unknown field software.colour"),
        ({"software": '{ product = "Foo", evidence = "x" }'}, "unknown field software.evidence"),
        ({"software": '{ product = "Foo", version = 1.0 }'}, "software.version must be text"),
        ({"software": '{ product = "Foo", cpe = "cpe:/a:foo:foo" }'}, "software.cpe 'cpe:/a:foo:foo' is no CPE 2.3"),
        ({"examples": None}, "rule foo.plain: examples is missing"),
        ({"examples": "[]"}, "rule foo.plain: at least one example is needed"),
        ({"examples": '["220 h"]'}, "the example '220 h' has no greeting"),
        ({"examples": '[{ version = "1" }]'}, "has no greeting"),
        ({"examples": '[{ greeting = "220 h", colour = "red" }]'}, "an example expects an unknown field 'colour'"),
        ({"examples": '[{ greeting = "220 h", version = 1 }]'}, "expects version to be 1, which is no text"),
        ({"counterexamples": "[1]"}, "the counterexample 1 is no text"),
        ({"colour": '"red"'}, "own.toml: rule foo.plain: unknown key 'colour'"),
    ],
)
def test_a_mistake_in_a_rule_is_found_with_file_and_rule_named(changes: dict[str, str | None], problem: str) -> None:
    with pytest.raises(RuleError) as error:
        load_rules(rule_file(**changes), "own.toml")
    assert problem in str(error.value)
    assert str(error.value).startswith("own.toml: rule ")


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
