"""Check the table of one rule in a rule file: its keys, their types and values, its examples.

The layout is described in `rule_files`. Problems are sentences for the author of the rule; the caller adds the file and
the rule's name. Left out: whether the examples come true, which a test checks with the parser.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

from scanner.identify.index import SESSION_ID
from scanner.identify.rules import GRAMMARS
from scanner.model import ProductKind, RefusalKind, Software
from scanner.smtp import Flag

#: Words that greetings of all kinds have: as a prefilter they would try the rule on everything.
COMMON_WORDS: Final = frozenset(
    {"at", "com", "de", "esmtp", "from", "gmt", "host", "is", "mail", "mta", "mx", "net", "org", "ready", "relay"}
    | {"server", "service", "smtp", "the", "to"}
    | {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    | {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
)

_DERIVED = frozenset({"method", "confidence", "evidence"})
_FIELDS = frozenset(field.name for field in fields(Software)) - _DERIVED
_CAPTURED = (_FIELDS - {"cpe", "kind"}) | {"cpe_version"}
_FLAGS = frozenset({*(flag.value for flag in Flag), SESSION_ID})
_KINDS = frozenset(kind.value for kind in RefusalKind)
_PRODUCT_KINDS = frozenset(kind.value for kind in ProductKind)
_GRAMMAR_INPUT = frozenset({"versions", "before", "after"})
_ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)+")
_WORD = re.compile(r"[a-z0-9]*[a-z][a-z0-9]*")
_CPE = re.compile(r"cpe:2\.3:[aoh]:[a-z0-9_.\\/-]+:[a-z0-9_.\\/-]+:\{version\}:\*(?::\*){6}")

Keys = dict[str, tuple[type, bool]]
#: Key of a rule table: the type of its value, and whether it may be left out.
_COMMON_KEYS: Final[Keys] = {
    "id": (str, False),
    "words": (list, True),
    "flags": (list, True),
    "codes": (list, True),
    "pattern": (str, False),
    "specificity": (int, True),
    "examples": (list, False),
    "counterexamples": (list, True),
}
RULE_KEYS: Final[Keys] = {"grammar": (str, True), "confidence": (float, False), "software": (dict, False)}
REFUSAL_KEYS: Final[Keys] = {"kind": (str, False), "refused_us": (bool, False)}


def problems(table: Mapping[str, Any], special: Keys) -> Iterator[str]:
    """Yield what is wrong with a table, the basics first; `special` are the keys of its kind of rule."""
    keys = _COMMON_KEYS | special
    yield from (f"unknown key {key!r}" for key in sorted(table.keys() - keys))
    for key, (kind, optional) in keys.items():
        if key not in table and not optional:
            yield f"{key} is missing"
        if key in table and not isinstance(table[key], kind):
            yield f"{key} {table[key]!r} has the wrong type"
    if not _ID.fullmatch(table["id"]):
        yield "the id must be words of a-z and 0-9 with dots or dashes between"
    # Few greetings refuse, so for those the prefilter may have words that are in all of them.
    yield from _prefilter_problems(table, COMMON_WORDS if special is RULE_KEYS else frozenset())
    yield from (f"{code!r} is not a reply code" for code in table.get("codes", ()) if code not in range(200, 600))
    if not 0 <= table.get("specificity", 50) <= 100:
        yield "specificity must be 0 to 100"
    if special is RULE_KEYS:
        yield from _software_problems(table)
    elif table["kind"] not in _KINDS:
        yield f"unknown kind {table['kind']!r}: there is {', '.join(sorted(_KINDS))}"
    yield from _examples_problems(table, special)


def _examples_problems(table: Mapping[str, Any], special: Keys) -> Iterator[str]:
    if not table["examples"]:
        yield "at least one example is needed"
    for example in table["examples"]:
        yield from _example_problems(example if special is RULE_KEYS else {"greeting": example})
    for greeting in table.get("counterexamples", ()):
        if not isinstance(greeting, str):
            yield f"the counterexample {greeting!r} is not text"


def _prefilter_problems(table: Mapping[str, Any], common: frozenset[str]) -> Iterator[str]:
    if not table.get("words") and not table.get("flags"):
        yield "words or flags must be given: without a prefilter it is tried on every greeting"
    for word in table.get("words", ()):
        if not isinstance(word, str) or not _WORD.fullmatch(word):
            yield f"the word {word!r} must be a-z and 0-9 with a letter"
        elif word in common:
            yield f"the word {word!r} is in too many greetings to be a prefilter"
    yield from (f"unknown flag {flag!r}" for flag in table.get("flags", ()) if flag not in _FLAGS)


def _software_problems(table: Mapping[str, Any]) -> Iterator[str]:
    software = table["software"]
    if not 0 < table["confidence"] < 1:
        yield "confidence must be more than 0 and less than 1"
    yield from (f"unknown field software.{field}" for field in sorted(software.keys() - _FIELDS))
    yield from (f"software.{field} must be text" for field in software if not isinstance(software[field], str))
    if "product" not in software:
        yield "software.product is missing"
    if software.get("kind", "software") not in _PRODUCT_KINDS:
        yield f"software.kind {software['kind']!r} is neither software nor service"
    if "cpe" in software and not _CPE.fullmatch(software["cpe"]):
        yield f"software.cpe {software['cpe']!r} is not a CPE 2.3 name with {{version}}:* in its place"


def _example_problems(example: object) -> Iterator[str]:
    if not isinstance(example, dict) or not isinstance(example.get("greeting"), str):
        yield f"the example {example!r} has no greeting"
    else:
        for field in sorted(example.keys() - _FIELDS - {"greeting"}):
            yield f"an example expects an unknown field {field!r}"
        for field in sorted(field for field, value in example.items() if not isinstance(value, str)):
            yield f"an example expects {field} to be {example[field]!r}, which is not text"


def check_groups(name: str | None, groups: frozenset[str], fixed: frozenset[str]) -> None:
    """Check that what a pattern captures can be used.

    Raises:
        ValueError: for an unknown grammar, or a group that is not a field, is fixed as well, or is needed and missing.
    """
    if name is not None and name not in GRAMMARS:
        raise ValueError(f"unknown grammar {name!r}: there is {', '.join(GRAMMARS)}")
    if name is not None and (missing := GRAMMARS[name][1] - groups):
        raise ValueError(f"the grammar needs a group {min(missing)!r} in the pattern")
    if unknown := groups - (_GRAMMAR_INPUT if name is not None else _CAPTURED):
        raise ValueError(f"the pattern's group {min(unknown)!r} is not a field of the software")
    if both := groups & fixed:
        raise ValueError(f"{min(both)!r} is fixed and captured at the same time")
