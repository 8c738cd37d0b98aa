"""Mutate the example of every rule, a thousand times each, and hold identification to what must always be true.

`python -m benchmarks.fuzz_identify [mutations a rule] [seed]`. For each mutated greeting:

- nothing raises, and all that is said is printable ASCII;
- the product is the example's own or none. A greeting is changed by bytes, by words out of place and by *mentions*:
  the words of other rules as its host name, in front and behind. What only mentions a name must not become it.

The slowest identification is reported with its greeting; the aim is a millisecond. A short run is in the test suite.
Left out: words of others shuffled among one's own, which by chance write another product's greeting.
"""

import random
import re
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final, NamedTuple

from scanner.identify import Fingerprints, RefusalRules, Rule
from scanner.identify.rule_files import FOLDER, load_refusals, read_rules
from scanner.model import Banner, Software
from scanner.smtp import parse_banner

MUTATIONS: Final = 1000
SEED: Final = 7
#: Text fields that come from the peer.
_CAPTURED: Final = ("version", "config_version", "patch", "vendor_tag", "build", "package", "os", "os_version", "cpe")
#: Up to this confidence an identification is a hint from the form, not from a name.
_HINT: Final = 0.4
_WORD: Final = re.compile(r"[0-9a-z]+")
_NUMBER: Final = re.compile(rb"[vV(]?[0-9]")
_BYTES: Final = [*range(256)]


class Problem(NamedTuple):
    """A greeting with which identification did not keep its promise."""

    rule: str
    banner: bytes
    what: str


class Result(NamedTuple):
    """What a run found."""

    greetings: int
    problems: list[Problem]
    slowest_s: float
    slowest: bytes


def rules_with_examples() -> tuple[Rule, ...]:
    """Return the shipped rules as their files have them."""
    return read_rules()


def fuzz(mutations: int, seed: int) -> Result:
    """Mutate the examples of each rule `mutations` times in all, always the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    rules = rules_with_examples()
    words = sorted({word for rule in rules for word in rule.words})
    fingerprints, refusals = Fingerprints(rules), RefusalRules.shipped()
    problems: list[Problem] = []
    slowest_s, slowest, count = 0.0, b"", 0
    allowed = [
        products_of(rule, fingerprints) for rule in rules
    ]  # and compiles the patterns before anything is measured
    for rule, products in zip(rules, allowed, strict=True):
        for number in range(mutations):
            example = rule.examples[number % len(rule.examples)].greeting.encode()
            raw = mutated(example, words, chance) + b"\r\n"
            banner = parse_banner(raw)
            began = perf_counter()
            said = fingerprints.matches(banner)
            took = perf_counter() - began
            refusals.classify(banner)
            count += 1
            if took > slowest_s and (took := _best(fingerprints, banner)) > slowest_s:
                slowest_s, slowest = took, raw
            problems += (Problem(rule.id, raw, what) for what in broken_promises(said, products))
    for kind in load_refusals((FOLDER / "refusals.toml").read_text("ascii"), "refusals.toml"):
        for number in range(mutations):
            raw = mutated(kind.examples[number % len(kind.examples)].encode(), words, chance) + b"\r\n"
            refusals.classify(parse_banner(raw))
            count += 1
    return Result(count, problems, slowest_s, slowest)


def _best(fingerprints: Fingerprints, banner: Banner) -> float:
    """Measure again: what other programs took does not count."""
    times = []
    for _ in range(5):
        began = perf_counter()
        fingerprints.matches(banner)
        times.append(perf_counter() - began)
    return min(times)


def broken_promises(said: tuple[Software, ...], allowed: set[str]) -> Iterator[str]:
    """Yield what is wrong with what was said of a mutation of an example that may be of the products `allowed`."""
    if said and said[0].product not in allowed and said[0].confidence > _HINT:
        yield f"is taken for {said[0].product} by {said[0].evidence}"
    for software in said:
        for name in _CAPTURED:
            value = getattr(software, name)
            if value is not None and not (value.isascii() and value.isprintable()):
                yield f"{name} is {value!a}"


def products_of(rule: Rule, fingerprints: Fingerprints) -> set[str]:
    """Return what a mutation may be taken for: whom the examples name or speak of, and relatives by the same words.

    A filter in between leaves the greeting of the server behind it, and "ESMTP iRedMail Postfix" has both names of its
    own: without the second the first is what it is.
    """
    greetings = [parse_banner(example.greeting.encode() + b"\r\n") for example in rule.examples]
    named = {software.product for banner in greetings for software in fingerprints.matches(banner)}
    own = {word for banner in greetings for word in _WORD.findall(banner.text.lower())}.union(rule.words)
    return named | {other.fixed["product"] for other in fingerprints.rules if own.intersection(other.words)}


def mutated(example: bytes, words: list[str], chance: random.Random) -> bytes:
    """Return a greeting with one to four changes."""
    raw = example
    changes = chance.choice((_MENTIONS, _DAMAGES))  # one that shuffles what another mentions could write any greeting
    for _ in range(chance.randint(1, 4)):
        raw = chance.choice(changes)(raw, words, chance)
    return raw


def _bytes_changed(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    del words
    at = chance.randint(0, len(raw))
    return raw[:at] + bytes(chance.choices(_BYTES, k=chance.randint(0, 3))) + raw[at + chance.randint(0, 3) :]


def _part_repeated(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    del words
    start = chance.randint(0, len(raw))
    part = raw[start : start + chance.randint(1, 12)].replace(b"*", b"")  # many stars are a mask
    return raw[:start] + part * chance.choice((2, 3, 50)) + raw[start:]


def _words_swapped(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    del words
    code, _, text = raw.partition(b" ")
    parts = text.split(b" ")
    chance.shuffle(parts)
    return code + b" " + b" ".join(parts)


def _host_named(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    name, rest = _spelt(words, chance), raw[4:].partition(b" ")[2]
    # A bare name before a number is what a product is called, and no host.
    bare = f"mx.{name}.example" if _NUMBER.match(rest) else name
    host = chance.choice((f"{name}.example.com", f"mail.{name}.example.org", bare)).encode()
    return raw[:4] + host + b" " + rest


def _mention_behind(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    name = _spelt(words, chance)
    remark = chance.choice(("; not {}", " behind {}", " (no {} here)", "; we replaced {} 1.0", " - {}-compatible"))
    return raw + remark.format(name).encode()


def _cut(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    del words
    return raw[: chance.randint(0, len(raw))]


def _case_changed(raw: bytes, words: list[str], chance: random.Random) -> bytes:
    del words
    return chance.choice((raw.upper(), raw.lower(), raw.swapcase()))


def _spelt(words: list[str], chance: random.Random) -> str:
    word = chance.choice(words)
    return chance.choice((word, word.capitalize(), word.upper()))


_Change = Callable[[bytes, list[str], random.Random], bytes]
_MENTIONS: Final[tuple[_Change, ...]] = (_host_named, _mention_behind, _case_changed)
_DAMAGES: Final[tuple[_Change, ...]] = (_bytes_changed, _bytes_changed, _part_repeated, _words_swapped, _cut)


def main() -> None:
    """Run, print what was found, and exit with 1 when a promise was broken."""
    numbers = [int(argument) for argument in sys.argv[1:]]
    mutations, seed = (*numbers, *(MUTATIONS, SEED)[len(numbers) :])
    began = perf_counter()
    result = fuzz(mutations, seed)
    print(f"{result.greetings:,} mutated greetings, seed {seed}, {perf_counter() - began:.0f} s")
    print(f"slowest: {result.slowest_s * 1e3:.2f} ms for {result.slowest[:200]!r} ({len(result.slowest)} bytes)")
    for problem in result.problems[:40]:
        print(f"{problem.rule}: {problem.what}: {problem.banner[:160]!r}")
    print(f"{len(result.problems)} problems")
    sys.exit(bool(result.problems))


if __name__ == "__main__":
    main()
