"""The rules as the program uses them, and the set that comes with it.

People write rules as TOML (`rules/*.toml` and `refusals.toml`; see `rule_files`). Parsing and checking those and
compiling every pattern takes more than 100 ms, which each start of the program would pay. So the program reads
`rules.json`: the same rules, checked, with fragments filled in and without their examples. A pattern is compiled when
the first greeting needs it. `python -m scanner.identify` writes the file, and a test fails while it is not current.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from scanner import lazy
from scanner.identify.sendmail import parse_versions
from scanner.model import RefusalKind

Grammar = Callable[[Mapping[str, str]], dict[str, str] | None]

#: Grammars in code, for version texts with more parts than a pattern can name: name, function, groups it needs.
GRAMMARS: Final[dict[str, tuple[Grammar, frozenset[str]]]] = {
    "sendmail": (parse_versions, frozenset({"versions"})),
}
#: The product lines that a rule reads from a greeting, where it has them as words.
_LINES: Final = lazy.pattern(r"\(\?P<product_line>((?:[^()\\]|\\.)*)\)")
#: The checked rules, beside this module.
COMPILED: Final = Path(__file__).with_name("rules.json")
_ANY_CODE: Final[frozenset[int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Example:
    """A greeting as a server sends it (without its last line end) and the fields a rule must read from it."""

    greeting: str
    expected: Mapping[str, str]


@dataclass(slots=True, eq=False)
class Rule:
    """One checked rule that names software. Compared by identity: an id is unique in a set, not in the world.

    Not frozen, although it is never changed: the thousand made at each start take a third of the time that way.
    """

    id: str
    source: str
    words: tuple[str, ...]
    flags: tuple[str, ...]
    codes: frozenset[int]
    pattern: str
    fixed: Mapping[str, str]
    specificity: int
    confidence: float
    grammar: str | None = None
    cpe: str | None = None
    examples: tuple[Example, ...] = ()
    counterexamples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RefusalRule:
    """One checked rule that classifies a refusal."""

    id: str
    source: str
    words: tuple[str, ...]
    flags: tuple[str, ...]
    codes: frozenset[int]
    pattern: str
    kind: RefusalKind
    refused_us: bool
    specificity: int
    examples: tuple[str, ...] = ()
    counterexamples: tuple[str, ...] = ()


class _Shipped(NamedTuple):
    rules: tuple[Rule, ...]
    refusals: tuple[RefusalRule, ...]


def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with the program; the file is read once in the life of the process."""
    return _shipped().rules


def shipped_refusals() -> tuple[RefusalRule, ...]:
    """Return the rules for refusals that come with the program."""
    return _shipped().refusals


@cache
def known_products() -> frozenset[str]:
    """Return the names that `software.product` and `software.product_line` can have by the shipped rules."""
    names = {name for rule in shipped_rules() for key in ("product", "product_line") if (name := rule.fixed.get(key))}
    read = (words for rule in shipped_rules() for words in _LINES.findall(rule.pattern))
    return frozenset(names | {name.replace("\\", "") for words in read for name in words.split("|") if "[" not in name})


@cache
def known_services() -> frozenset[str]:
    """Return the products that only their providers run, and no rule reads a version of."""
    named = [(rule.fixed.get("product", ""), rule.fixed.get("kind")) for rule in shipped_rules()]
    programs = {product for product, kind in named if kind != "service"}
    return frozenset(product for product, kind in named if kind == "service" and product not in programs)


@cache
def _shipped() -> _Shipped:
    data = orjson.loads(COMPILED.read_bytes())
    shared = tuple((f"%{{{name}}}", text) for name, text in data["fragments"].items())
    return _Shipped(
        tuple(Rule(**_common(table, shared)) for table in data["rules"]),
        tuple(
            RefusalRule(**_common(table, shared) | {"kind": RefusalKind(table["kind"])}) for table in data["refusals"]
        ),
    )


def _common(table: dict[str, Any], shared: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Complete a rule's fields in place: with the types that JSON does not have, and the text of shared fragments."""
    pattern = table["pattern"]
    if "%{" in pattern:
        for marker, text in shared:
            if marker in pattern:
                pattern = pattern.replace(marker, text)
        table["pattern"] = pattern
    table["words"] = tuple(table["words"]) if "words" in table else ()
    table["flags"] = tuple(table["flags"]) if "flags" in table else ()
    table["codes"] = frozenset(table["codes"]) if "codes" in table else _ANY_CODE
    return table
