"""Read the rule files: the forms of products' greetings and of refusals, as data.

`rules/*.toml` has a file for each vendor or kind of product, with a `[[rule]]` for each form of greeting:

- `id`: unique, `family.form`; it is the `evidence` in a record;
- `words`: the prefilter. Only a greeting that has one of these words (whole, in lower case) is tried against the
  pattern, so that a rule costs nothing where it does not apply. `flags` are the same for flags of the parser, and
  `session_id` for 32 characters between round brackets at the end;
- `pattern`: matched at the beginning of each line of the greeting, code cut off (see `patterns`). Its named groups are
  fields of `Software`, or `cpe_version` where NVD writes the version differently, or what the `grammar` reads;
- `codes`: the reply codes it is for; any when left out;
- `software`: fields that are fixed; `cpe` is a template with `{version}`;
- `specificity` (0 to 100, 50 when left out): of several rules that match, the highest decides;
- `confidence`: 0.95 the default greeting with its version; 0.9 the default greeting without; 0.8 a changed greeting
  that names the product; 0.7 the name alone; 0.6 wording that only this product is known to use; 0.4 a hint;
- `examples`: greetings with the fields expected; `counterexamples`: greetings the rule must leave alone.

`services/*.toml` has a `[[service]]` for each provider's service, which is written out as a rule (see `service_files`).
`refusals.toml` has a `[[refusal]]` for each text: the same, with `kind` and `refused_us` in place of what names
software, and plain greetings as examples. `rule_checks` checks the tables; tests check the examples.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from scanner.errors import RuleError
from scanner.files import toml as safe_toml
from scanner.identify.patterns import FRAGMENTS, compile_pattern
from scanner.identify.rule_checks import REFUSAL_KEYS, RULE_KEYS, Keys, check_groups, problems
from scanner.identify.rules import Example, RefusalRule, Rule
from scanner.identify.service_files import rule_table
from scanner.model import RefusalKind

#: Where the files are that the shipped rules are made from.
FOLDER: Final = Path(__file__).parent
#: Fragments that `rules.json` has once and not in every pattern; a longer one comes before those within it.
SHARED_FRAGMENTS: Final = ("AFTER", "TAIL", "VERSIONED", "ENDED", "SYSTEM", "PLAIN")
#: Keys of a rule that are not written when they are empty.
LEFT_OUT: Final = frozenset({"words", "flags", "codes", "grammar", "cpe", "examples", "counterexamples"})

_Made = TypeVar("_Made", Rule, RefusalRule)


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
    return _load(text, source, "rule", RULE_KEYS, _rule)


def load_services(text: str, source: str) -> tuple[Rule, ...]:
    """Return the rules of one file of services, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the service.
    """
    return _load(text, source, "service", RULE_KEYS, _rule, rule_table)


def load_refusals(text: str, source: str) -> tuple[RefusalRule, ...]:
    """Return the rules for refusals of one file, checked. `source` names the file in messages.

    Raises:
        RuleError: for the first thing that is wrong, naming the file and the rule.
    """
    return _load(text, source, "refusal", REFUSAL_KEYS, _refusal)


def _load(
    text: str,
    source: str,
    kind: str,
    keys: Keys,
    make: Callable[[dict[str, Any], str, dict[str, str]], _Made],
    written_out: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
) -> tuple[_Made, ...]:
    """Check and make each rule of one kind in a file; `written_out` makes a rule's table of what stands for one."""
    made = []
    for name, short, fragments in _tables(text, source, kind):
        try:
            table = written_out(short)
            for problem in problems(table, keys):
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


def _rule(table: Mapping[str, Any], source: str, fragments: Mapping[str, str]) -> Rule:
    pattern = compile_pattern(table["pattern"], fragments)
    check_groups(table.get("grammar"), frozenset(pattern.groupindex), frozenset(table["software"]))
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
