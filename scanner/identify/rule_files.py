"""Rule files: data that says how a product's greeting looks, or a refusal's text, and what follows.

`rules/*.toml` has one file for each family of products, with a `[[rule]]` for each form:

- `id`: unique, `family.form`; it is the `evidence` in a record;
- `words`: the prefilter. Only a greeting that has one of these words (whole, in lower case) is tried against the
  pattern, so that a rule costs nothing where it does not apply. `flags` are the same for flags of the parser, and
  `session_id` for 32 characters between round brackets at the end;
- `pattern`: matched at the beginning of each line of the greeting, code cut off (see `patterns`). Its named groups are
  fields of `Software`, or `cpe_version` where NVD writes the version differently, or what the `grammar` reads;
- `codes`: the reply codes it is for; any when left out;
- `software`: fields that are fixed; `cpe` is a template with `{version}`;
- `specificity` (0 to 100, 50 when left out): of several rules that match, the highest speaks;
- `confidence`: 0.95 the default greeting with its version; 0.9 the default greeting without; 0.8 a changed greeting
  that names the product; 0.7 the name alone; 0.6 wording that only this product is known to use; 0.4 a hint;
- `examples`: greetings with the fields expected; `counterexamples`: greetings the rule must leave alone.

`services/*.toml` has a `[[service]]` for each provider's service, which is written out as a rule (see `service_files`).
`refusals.toml` has a `[[refusal]]` for each text: the same, with `kind` and `refused_us` in place of what names
software, and plain greetings as examples. All is checked here; that examples come true takes the parser: tests do it.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from scanner.errors import RuleError
from scanner.files import toml as safe_toml
from scanner.identify.index import SESSION_ID
from scanner.identify.patterns import FRAGMENTS, compile_pattern
from scanner.identify.rules import GRAMMARS, Example, RefusalRule, Rule
from scanner.identify.service_files import rule_table
from scanner.model import ProductKind, RefusalKind, Software
from scanner.smtp import Flag

#: Where the files are that the shipped rules are made from.
FOLDER: Final = Path(__file__).parent
#: Words that greetings of all kinds have: as a prefilter they would try the rule on everything.
COMMON_WORDS: Final = frozenset(
    {"at", "com", "de", "esmtp", "from", "gmt", "host", "is", "mail", "mta", "mx", "net", "org", "ready", "relay"}
    | {"server", "service", "smtp", "the", "to"}
    | {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
    | {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
)

#: Fragments that `rules.json` has once and not in every pattern; a longer one comes before those within it.
SHARED_FRAGMENTS: Final = ("AFTER", "TAIL", "VERSIONED", "ENDED", "SYSTEM", "PLAIN")
#: Keys of a rule that are not written when they are empty.
LEFT_OUT: Final = frozenset({"words", "flags", "codes", "grammar", "cpe", "examples", "counterexamples"})

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

_Keys = dict[str, tuple[type, bool]]
#: Key of a rule table: the type of its value, and whether it may be left out.
_COMMON_KEYS: Final[_Keys] = {
    "id": (str, False),
    "words": (list, True),
    "flags": (list, True),
    "codes": (list, True),
    "pattern": (str, False),
    "specificity": (int, True),
    "examples": (list, False),
    "counterexamples": (list, True),
}
_RULE_KEYS: Final[_Keys] = {"grammar": (str, True), "confidence": (float, False), "software": (dict, False)}
_REFUSAL_KEYS: Final[_Keys] = {"kind": (str, False), "refused_us": (bool, False)}

_MakeIdentity = TypeVar("_MakeIdentity", Rule, RefusalRule)


def compiled_rules() -> bytes:
    """Return what `rules.json` must hold: every rule of the rule files, checked, one on a line.

    Raises:
        RuleError: for the first thing in a file that is wrong.
    """
    rules = read_rules()
    refusals = load_refusals((FOLDER / "refusals.toml").read_text("ascii"), "refusals.toml")
    shared = orjson.dumps({name: FRAGMENTS[name] for name in SHARED_FRAGMENTS})
    return b'{"fragments":%b,"rules":[\n%b\n],"refusals":[\n%b\n]}\n' % (shared, _lines(rules), _lines(refusals))


def read_rules() -> tuple[Rule, ...]:
    """Return the rules of all files, checked: the programs' first, then the services'.

    Raises:
        RuleError: for the first thing in a file that is wrong.
    """
    folders = (("rules", load_rules), ("services", load_services))
    files = [
        (file, load)
        for name, load in folders
        for file in sorted((FOLDER / name).glob("*.toml"), key=attrgetter("stem"))
    ]
    return tuple(rule for file, load in files for rule in load(file.read_text("ascii"), file.name))


def _lines(rules: tuple[Rule, ...] | tuple[RefusalRule, ...]) -> bytes:
    """Return the rules as JSON, without what is left out anyway: examples, defaults, and the text of long fragments."""
    without: dict[str, Any] = {"examples": (), "counterexamples": ()}
    tables = (
        asdict(rule) | without | {"codes": sorted(rule.codes), "pattern": _shortened(rule.pattern)} for rule in rules
    )
    return b",\n".join(
        orjson.dumps({key: value for key, value in table.items() if value or key not in LEFT_OUT}) for table in tables
    )


def _shortened(pattern: str) -> str:
    for name in SHARED_FRAGMENTS:
        pattern = pattern.replace(FRAGMENTS[name], f"%{{{name}}}")
    return pattern


def load_rules(text: str, source: str) -> tuple[Rule, ...]:
    """Return the rules of one file, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the rule.
    """
    return _load(text, source, "rule", _RULE_KEYS, _rule)


def load_services(text: str, source: str) -> tuple[Rule, ...]:
    """Return the rules of one file of services, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the service.
    """
    return _load(text, source, "service", _RULE_KEYS, _rule, rule_table)


def load_refusals(text: str, source: str) -> tuple[RefusalRule, ...]:
    """Return the rules for refusals of one file, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the rule.
    """
    return _load(text, source, "refusal", _REFUSAL_KEYS, _refusal)


def _load(
    text: str,
    source: str,
    kind: str,
    keys: _Keys,
    make: Callable[[dict[str, Any], str, dict[str, str]], _MakeIdentity],
    written_out: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
) -> tuple[_MakeIdentity, ...]:
    """Check and make each rule of one kind in a file; `written_out` makes a rule's table of what stands for one."""
    made = []
    for name, short, fragments in _tables(text, source, kind):
        try:
            table = written_out(short)
            for problem in _problems(table, keys):
                raise RuleError(f"{source}: rule {name}: {problem}")
            made.append(make(table, source, fragments))
        except ValueError as error:
            raise RuleError(f"{source}: rule {name}: {error}") from error
    return tuple(made)


def _tables(text: str, source: str, kind: str) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield each rule of a file with its name for messages, and the file's fragments."""
    try:
        document = safe_toml.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{source}: not TOML: {error}") from error
    fragments, tables = document.pop("fragments", {}), document.pop(kind, [])
    if document:
        raise RuleError(f"{source}: unknown key {min(document)!r}: a rule file has [fragments] and [[{kind}]]")
    if not isinstance(fragments, dict) or not all(isinstance(value, str) for value in fragments.values()):
        raise RuleError(f"{source}: fragments must be a table of texts")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise RuleError(f"{source}: no rule: write at least one [[{kind}]]")
    for number, table in enumerate(tables, start=1):
        yield table.get("id", f"number {number}"), table, fragments


def _problems(table: Mapping[str, Any], special: _Keys) -> Iterator[str]:
    """Yield what is wrong with the form of a rule; later checks may rely on the earlier ones."""
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
    yield from _prefilter_problems(table, COMMON_WORDS if special is _RULE_KEYS else frozenset())
    yield from (f"{code!r} is not a reply code" for code in table.get("codes", ()) if code not in range(200, 600))
    if not 0 <= table.get("specificity", 50) <= 100:
        yield "specificity must be 0 to 100"
    if special is _RULE_KEYS:
        yield from _software_problems(table)
    elif table["kind"] not in _KINDS:
        yield f"unknown kind {table['kind']!r}: there is {', '.join(sorted(_KINDS))}"
    if not table["examples"]:
        yield "at least one example is needed"
    for example in table["examples"]:
        yield from _example_problems(example if special is _RULE_KEYS else {"greeting": example})
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


def _rule(table: Mapping[str, Any], source: str, fragments: Mapping[str, str]) -> Rule:
    pattern = compile_pattern(table["pattern"], fragments)
    _check_groups(table.get("grammar"), frozenset(pattern.groupindex), frozenset(table["software"]))
    return Rule(
        id=table["id"],
        source=source,
        words=tuple(table.get("words", ())),
        flags=tuple(table.get("flags", ())),
        codes=frozenset(table.get("codes", ())),
        pattern=pattern.pattern,
        grammar=table.get("grammar"),
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


def _refusal(table: Mapping[str, Any], source: str, fragments: Mapping[str, str]) -> RefusalRule:
    pattern = compile_pattern(table["pattern"], fragments)
    if pattern.groups:
        raise ValueError("the pattern of a refusal captures nothing: write (?:...)")
    return RefusalRule(
        id=table["id"],
        source=source,
        words=tuple(table.get("words", ())),
        flags=tuple(table.get("flags", ())),
        codes=frozenset(table.get("codes", ())),
        pattern=pattern.pattern,
        kind=RefusalKind(table["kind"]),
        refused_us=table["refused_us"],
        specificity=table.get("specificity", 50),
        examples=tuple(table["examples"]),
        counterexamples=tuple(table.get("counterexamples", ())),
    )


def _check_groups(name: str | None, groups: frozenset[str], fixed: frozenset[str]) -> None:
    """Check that what a pattern captures can be used.

    Raises:
        ValueError: for an unknown grammar, or a group that is no field, is fixed as well, or is needed and missing.
    """
    if name is not None and name not in GRAMMARS:
        raise ValueError(f"unknown grammar {name!r}: there is {', '.join(GRAMMARS)}")
    if name is not None and (missing := GRAMMARS[name][1] - groups):
        raise ValueError(f"the grammar needs a group {min(missing)!r} in the pattern")
    if unknown := groups - (_GRAMMAR_INPUT if name is not None else _CAPTURED):
        raise ValueError(f"the pattern's group {min(unknown)!r} is not a field of the software")
    if both := groups & fixed:
        raise ValueError(f"{min(both)!r} is fixed and captured at the same time")
