"""Read a policy file (TOML, version 1), and write the default one with an explanation of every key.

    version = 1
    [rules.no-product-in-greeting]      # level, and the rule's own options
    [[ranges]]                          # addresses, and other levels and options for them
    [[waivers]]                         # rule, addresses, owner, reason, expires: all of them
    [coverage]                          # min_seen, ignore, min_judged

A misspelt key must not switch off a rule unnoticed. So an unknown key is an error, and so is a value of another type;
messages name the file, the key, and what is allowed. The caller passes the parser of addresses (`AddressReader`), so
that a policy and a sweep understand the same texts.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from scanner.errors import InputError
from scanner.files import toml as safe_toml
from scanner.model import Status
from scanner.policy.policy import DEFAULT_MIN_SEEN, EMPTY, Policy, RangeRules, RuleSetting, default_rules
from scanner.policy.rules import RULES, Level, PolicyRule, fraction, text, words
from scanner.policy.waivers import AddressSet, Waiver
from scanner.text.nearest import hint

VERSION: Final = 1
#: Parses texts into a set of addresses; raises InputError with the problem.
AddressReader = Callable[[Sequence[str]], AddressSet]

_LEVELS: Final = f"one of {', '.join(Level)}"


def read_policy(document: str, source: str, addresses: AddressReader) -> Policy:
    """Return the policy of a file's text; `source` names the file in messages.

    Raises:
        InputError: for the first problem: file, key, and what is allowed.
    """
    try:
        table = safe_toml.loads(document)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: not valid TOML: {error}") from None
    return _PolicyReader(source, addresses).policy(table)


class _PolicyReader:
    """Reads one file; every message begins with its name."""

    def __init__(self, source: str, addresses: AddressReader) -> None:
        self._source = source
        self._addresses = addresses

    def policy(self, table: Mapping[str, Any]) -> Policy:
        self._check_keys(table, "", ("version", "rules", "ranges", "waivers", "coverage"))
        if type(table.get("version")) is not int or table["version"] != VERSION:
            raise self._error("version", f"must be {VERSION}")
        coverage = self._table(table.get("coverage", {}), "coverage")
        self._check_keys(coverage, "coverage", ("min_seen", "ignore", "min_judged"))
        return Policy(
            rules=self._rules(table.get("rules", {})),
            ranges=tuple(self._range(*each) for each in self._tables(table, "ranges")),
            waivers=tuple(self._waiver(*each) for each in self._tables(table, "waivers")),
            min_seen=self._value(coverage, "min_seen", "coverage", fraction, DEFAULT_MIN_SEEN),
            min_judged=self._min_judged(coverage.get("min_judged", {})),
            ignore=self._value(coverage, "ignore", "coverage", _ignored, frozenset()),
        )

    def _rules(self, value: Any) -> dict[str, RuleSetting]:
        rules = default_rules()
        for name, (level, options) in self._changes(value, "rules").items():
            rules[name] = RuleSetting(rules[name].level if level is None else level, {**rules[name].options, **options})
        return rules

    def _changes(self, value: Any, key: str) -> dict[str, tuple[Level | None, Mapping[str, Any]]]:
        """Read the rules of a table, without adding defaults."""
        changes: dict[str, tuple[Level | None, Mapping[str, Any]]] = {}
        for name, given in self._named_rules(value, key):
            table, where = self._table(given, f"{key}.{name}"), f"{key}.{name}"
            options = RULES[name].options
            self._check_keys(table, where, ("level", *options))
            read = {
                option: self._read(options[option].read, value, f"{where}.{option}")
                for option, value in table.items()
                if option != "level"
            }
            changes[name] = (self._value(table, "level", where, _level, None), read)
        return changes

    def _named_rules(self, value: Any, key: str) -> Iterator[tuple[str, Any]]:
        table = self._table(value, key)
        self._check_keys(table, key, tuple(RULES))
        yield from table.items()

    def _range(self, table: Mapping[str, Any], key: str) -> RangeRules:
        self._check_keys(table, key, ("addresses", "rules"))
        addresses, _ = self._address_set(table, key)
        if not table.get("rules"):
            raise self._error(f"{key}.rules", "must say what is different in this range")
        return RangeRules(addresses, self._changes(table["rules"], f"{key}.rules"))

    def _waiver(self, table: Mapping[str, Any], key: str) -> Waiver:
        self._check_keys(table, key, ("rule", "addresses", "owner", "reason", "expires"))
        rule = self._value(table, "rule", key, _word(tuple(RULES)))
        addresses, texts = self._address_set(table, key)
        owner, reason = (self._value(table, name, key, text) for name in ("owner", "reason"))
        return Waiver(rule, addresses, texts, owner, reason, self._value(table, "expires", key, _day))

    def _address_set(self, table: Mapping[str, Any], key: str) -> tuple[AddressSet, tuple[str, ...]]:
        texts = self._value(table, "addresses", key, _texts)
        try:
            return self._addresses(texts), texts
        except InputError as error:
            raise self._error(f"{key}.addresses", str(error)) from None

    def _min_judged(self, value: Any) -> dict[str, float]:
        given = {
            name: self._read(fraction, share, f"coverage.min_judged.{name}")
            for name, share in self._named_rules(value, "coverage.min_judged")
        }
        return {name: given.get(name, rule.min_judged) for name, rule in RULES.items()}

    def _tables(self, table: Mapping[str, Any], key: str) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Yield the tables of an array of tables, each with its key for messages, counted from 1."""
        value = table.get(key, [])
        if not isinstance(value, list):
            raise self._error(key, f"must be written as [[{key}]]")
        for number, each in enumerate(value, 1):
            yield self._table(each, f"{key}[{number}]"), f"{key}[{number}]"

    def _table(self, value: Any, key: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._error(key, "must be a table")
        return value

    def _check_keys(self, table: Mapping[str, Any], key: str, allowed: Sequence[str]) -> None:
        for name in table:
            if name not in allowed:
                where = f"{key}.{name}" if key else name
                raise self._error(
                    where, f"is not a known key here; known keys are {', '.join(allowed)}{hint(name, allowed)}"
                )

    def _value(self, table: Mapping[str, Any], name: str, key: str, read: Callable[[Any], Any], *default: Any) -> Any:
        """Read one key; without a default it is required."""
        if name not in table:
            if default:
                return default[0]
            raise self._error(f"{key}.{name}", "is missing")
        return self._read(read, table[name], f"{key}.{name}")

    def _read(self, read: Callable[[Any], Any], value: Any, key: str) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise self._error(key, f"must be {error}") from None

    def _error(self, key: str, problem: str) -> InputError:
        return InputError(f"{self._source}: {key}: {problem}")


def _word(allowed: Sequence[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}{hint(value, allowed)}")
        return str(value)

    return read


def _ignored(value: Any) -> frozenset[Status]:
    return frozenset() if value == [] else frozenset(map(Status, words(*EMPTY)(value)))


def _level(value: Any) -> Level:
    try:
        return Level(value)
    except ValueError:
        raise ValueError(f"{_LEVELS}{hint(value, Level)}") from None


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
        raise ValueError('a list of addresses, networks and ranges, such as ["192.0.2.0/24"]')
    return tuple(value)


def _day(value: Any) -> date:
    if type(value) is not date:  # a datetime is a date as well
        raise ValueError("a day without quotes, such as 2027-01-31")
    return value


def default_document() -> str:
    """Return the default policy as the text of a policy file, with the meaning of each key."""
    parts = [_HEAD, *map(_rule_lines, RULES.values()), _TAIL]
    parts += [f"{name} = {_toml(rule.min_judged)}" for name, rule in RULES.items()]
    return "\n".join(parts) + "\n"


def _rule_lines(rule: PolicyRule) -> str:
    lines = [f"[rules.{rule.text.name}]  # {rule.text.title}", f"level = {_toml(rule.text.level)}"]
    lines += [f"# {option.meaning}\n{name} = {_toml(option.default)}" for name, option in rule.options.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Write a default value: text, number, boolean, list of texts or the empty table."""
    return json.dumps(value)


_HEAD: Final = f"""\
# A policy for `smtpsweep policy check`. Every key except `version` can be left out; then its
# value is the one below.
version = {VERSION}

# level: "error" is a violation, "warning" is only reported, "off" is not judged.
"""

_TAIL: Final = f"""\
# Other levels and options for some addresses; where ranges overlap, the last one wins. Addresses as for a sweep.
# [[ranges]]
# addresses = ["192.0.2.0/24", "198.51.100.7"]
# [ranges.rules.no-product-in-greeting]
# level = "error"

# Who accepts a violation, why, and until when. All keys are required; an expired waiver is a violation.
# [[waivers]]
# rule = "min-version"
# addresses = ["192.0.2.17"]
# owner = "mail team"
# reason = "appliance, replaced in January"
# expires = 2027-01-31

[coverage]
min_seen = {DEFAULT_MIN_SEEN}  # share of all hosts that are known, or that the sweep of --summary planned
ignore = []  # statuses that do not count as hosts, any of: {", ".join(EMPTY)}

# The share of the hosts seen on which a rule at level "error" must be judged.
[coverage.min_judged]"""
