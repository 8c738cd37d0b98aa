"""Fingerprint rules: data that says how a product's greeting looks and what to read from it.

A rule file is TOML, one file for each family of products. Each rule has

- `id`: unique, `family.form`; it is the `evidence` in a record;
- `words`: the prefilter. Only a greeting that has one of these words (whole, in lower case) is tried against the
  pattern, so that a rule costs nothing where it does not apply. `flags` are the same for flags of the parser;
- `pattern`: matched at the beginning of each line of the greeting, code cut off (see `patterns`). Its named groups are
  fields of `Software`, or `cpe_version` where NVD writes the version differently, or what the `grammar` reads;
- `codes`: the reply codes it is for; any when left out;
- `software`: fields that are fixed; `cpe` is a template with `{version}`;
- `specificity` (0 to 100, 50 when left out): of several rules that match, the highest speaks;
- `confidence`: 0.95 the default greeting with its version; 0.9 the default greeting without; 0.8 a changed greeting
  that names the product; 0.7 the name alone; 0.6 wording that only this product is known to use; 0.4 a hint;
- `examples`: greetings with the fields expected; `counterexamples`: greetings the rule must leave alone.

All of this is checked while loading, except that the examples come true: that needs the parser, so tests do it.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final

from scanner.errors import RuleError
from scanner.identify.patterns import compile_pattern
from scanner.identify.sendmail import parse_versions
from scanner.model import Software
from scanner.smtp import Flag

Grammar = Callable[[Mapping[str, str]], dict[str, str] | None]

#: Grammars in code, for version texts with more parts than a pattern can name: name, function, groups it needs.
GRAMMARS: Final[dict[str, tuple[Grammar, frozenset[str]]]] = {
    "sendmail": (parse_versions, frozenset({"versions"})),
}
#: Words that greetings of all kinds have: as a prefilter they would try the rule on everything.
COMMON_WORDS: Final = frozenset(
    {"at", "com", "de", "esmtp", "from", "gmt", "host", "is", "mail", "mta", "mx", "net", "org", "ready", "relay"}
    | {"server", "service", "smtp", "the", "to"}
)

_DERIVED = frozenset({"method", "confidence", "evidence"})
_FIELDS = frozenset(field.name for field in fields(Software)) - _DERIVED
_CAPTURED = (_FIELDS - {"cpe"}) | {"cpe_version"}
_FLAGS = frozenset(flag.value for flag in Flag)
_GRAMMAR_INPUT = frozenset({"versions", "before"})
_ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)+")
_WORD = re.compile(r"[a-z0-9]*[a-z][a-z0-9]*")
_CPE = re.compile(r"cpe:2\.3:[aoh]:[a-z0-9_.\\/-]+:[a-z0-9_.\\/-]+:\{version\}:\*(?::\*){6}")

#: Key of a rule table: the type of its value, and whether it may be left out.
_KEYS: Final[dict[str, tuple[type | tuple[type, ...], bool]]] = {
    "id": (str, False),
    "words": (list, True),
    "flags": (list, True),
    "codes": (list, True),
    "pattern": (str, False),
    "grammar": (str, True),
    "specificity": (int, True),
    "confidence": (float, False),
    "software": (dict, False),
    "examples": (list, False),
    "counterexamples": (list, True),
}


@dataclass(frozen=True, slots=True)
class Example:
    """A greeting as a server sends it (without its last line end) and the fields a rule must read from it."""

    greeting: str
    expected: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One checked rule. Compared by identity: an id is unique in a set of rules, not in the world."""

    id: str
    source: str
    words: tuple[str, ...]
    flags: tuple[str, ...]
    codes: frozenset[int]
    pattern: re.Pattern[str]
    groups: tuple[str, ...]
    grammar: Grammar | None
    fixed: Mapping[str, str]
    cpe: str | None
    specificity: int
    confidence: float
    examples: tuple[Example, ...]
    counterexamples: tuple[str, ...]


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the program; the files are read once in the life of the process."""
    files = sorted((resources.files(__package__) / "rules").iterdir(), key=lambda file: file.name)
    return tuple(
        rule
        for file in files
        if file.name.endswith(".toml")
        for rule in load_rules(file.read_text(encoding="ascii"), file.name)
    )


def load_rules(text: str, source: str) -> tuple[Rule, ...]:
    """Return the rules of one file, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the rule.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{source}: not TOML: {error}") from error
    fragments, tables = document.pop("fragments", {}), document.pop("rule", [])
    if document:
        raise RuleError(f"{source}: unknown key {min(document)!r}: a rule file has [fragments] and [[rule]]")
    if not isinstance(fragments, dict) or not all(isinstance(value, str) for value in fragments.values()):
        raise RuleError(f"{source}: fragments must be a table of texts")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise RuleError(f"{source}: no rule: write at least one [[rule]]")
    rules = []
    for number, table in enumerate(tables, start=1):
        name = table.get("id", f"number {number}")
        for problem in _problems(table):
            raise RuleError(f"{source}: rule {name}: {problem}")
        try:
            rules.append(_rule(table, source, fragments))
        except ValueError as error:
            raise RuleError(f"{source}: rule {name}: {error}") from error
    return tuple(rules)


def _problems(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the form of a rule; later checks may rely on the earlier ones."""
    yield from (f"unknown key {key!r}" for key in sorted(table.keys() - _KEYS))
    for key, (kind, optional) in _KEYS.items():
        if key not in table and not optional:
            yield f"{key} is missing"
        if key in table and not isinstance(table[key], kind):
            yield f"{key} {table[key]!r} has the wrong type"
    if not _ID.fullmatch(table["id"]):
        yield "the id must be words of a-z and 0-9 with dots or dashes between"
    if not table.get("words") and not table.get("flags"):
        yield "words or flags must be given: without a prefilter it is tried on every greeting"
    for word in table.get("words", ()):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            yield f"the word {word!r} must be a-z and 0-9 with a letter"
        elif word in COMMON_WORDS:
            yield f"the word {word!r} is in too many greetings to be a prefilter"
    yield from (f"unknown flag {flag!r}" for flag in table.get("flags", ()) if flag not in _FLAGS)
    yield from (f"{code!r} is no reply code" for code in table.get("codes", ()) if code not in range(200, 600))
    if not 0 <= table.get("specificity", 50) <= 100:
        yield "specificity must be 0 to 100"
    if not 0 < table["confidence"] < 1:
        yield "confidence must be more than 0 and less than 1"
    yield from _software_problems(table["software"])
    yield from _example_problems(table)


def _software_problems(software: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown field software.{field}" for field in sorted(software.keys() - _FIELDS))
    yield from (f"software.{field} must be text" for field in software if not isinstance(software[field], str))
    if "product" not in software:
        yield "software.product is missing"
    if "cpe" in software and not _CPE.fullmatch(software["cpe"]):
        yield f"software.cpe {software['cpe']!r} is no CPE 2.3 name with {{version}}:* in its place"


def _example_problems(table: Mapping[str, Any]) -> Iterator[str]:
    if not table["examples"]:
        yield "at least one example is needed"
    for example in table["examples"]:
        if not isinstance(example, dict) or not isinstance(example.get("greeting"), str):
            yield f"the example {example!r} has no greeting"
        for field in sorted(example.keys() - _FIELDS - {"greeting"}):
            yield f"an example expects an unknown field {field!r}"
        for field in sorted(field for field, value in example.items() if not isinstance(value, str)):
            yield f"an example expects {field} to be {example[field]!r}, which is no text"
    for greeting in table.get("counterexamples", ()):
        if not isinstance(greeting, str):
            yield f"the counterexample {greeting!r} is no text"


def _rule(table: Mapping[str, Any], source: str, fragments: Mapping[str, str]) -> Rule:
    pattern = compile_pattern(table["pattern"], fragments)
    groups = tuple(sorted(pattern.groupindex, key=pattern.groupindex.__getitem__))
    grammar = _grammar(table.get("grammar"), frozenset(groups), frozenset(table["software"]))
    return Rule(
        id=table["id"],
        source=source,
        words=tuple(table.get("words", ())),
        flags=tuple(table.get("flags", ())),
        codes=frozenset(table.get("codes", ())),
        pattern=pattern,
        groups=groups,
        grammar=grammar,
        fixed={field: value for field, value in table["software"].items() if field != "cpe"},
        cpe=table["software"].get("cpe"),
        specificity=table.get("specificity", 50),
        confidence=table["confidence"],
        examples=tuple(
            Example(example["greeting"], {field: example[field] for field in example if field != "greeting"})
            for example in table["examples"]
        ),
        counterexamples=tuple(table.get("counterexamples", ())),
    )


def _grammar(name: str | None, groups: frozenset[str], fixed: frozenset[str]) -> Grammar | None:
    """Return the grammar a rule names, after checking that what the pattern captures can be used.

    Raises:
        ValueError: for an unknown grammar, or a group that is no field, is fixed as well, or is needed and missing.
    """
    if name is not None and name not in GRAMMARS:
        raise ValueError(f"unknown grammar {name!r}: there is {', '.join(GRAMMARS)}")
    grammar, needed = GRAMMARS[name] if name is not None else (None, frozenset[str]())
    if missing := needed - groups:
        raise ValueError(f"the grammar needs a group {min(missing)!r} in the pattern")
    if unknown := groups - (_GRAMMAR_INPUT if grammar else _CAPTURED):
        raise ValueError(f"the pattern's group {min(unknown)!r} is no field of the software")
    if both := groups & fixed:
        raise ValueError(f"{min(both)!r} is fixed and captured at the same time")
    return grammar
