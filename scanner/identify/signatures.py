"""Read the signatures of products from `behaviours.toml`: what they reply to commands, checked and compiled.

A signature lists what one product replies to EHLO, HELP, QUIT and to a verb that does not exist, and in which order it
announces its extensions. The file's head explains the keys. Every pattern is matched against one whole line, never
searched for, and has bounds like those of the greeting rules (`patterns`): hostile text cannot make it slow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from re import Pattern
from typing import Any, Final

from scanner.errors import RuleError
from scanner.identify.patterns import compile_pattern
from scanner.model import Software

#: The signatures that come with the program.
FILE: Final = Path(__file__).with_name("behaviours.toml")
#: The replies that traits are looked for in; "ehlo" is the first line, "extension" the others.
PLACES: Final = ("ehlo", "extension", "help", "quit", "unknown")
#: The most that one trait can be worth.
MAX_POINTS: Final = 5


@dataclass(frozen=True, slots=True)
class Trait:
    """A line of a reply that is typical of a product. `names` when the line itself names the product."""

    id: str
    place: str
    points: int
    pattern: Pattern[str]
    names: bool
    code: int | None


@dataclass(frozen=True, slots=True)
class Signature:
    """How one product behaves. `cpe` is a template; `settable` are replies whose wording can be configured."""

    product: str
    vendor: str | None
    cpe: str | None
    order: tuple[str, ...]
    settable: frozenset[str]
    traits: tuple[Trait, ...]


@cache
def shipped_signatures() -> tuple[Signature, ...]:
    """Return the signatures of the program; the file is read once in the life of the process."""
    return read_signatures(FILE.read_text("utf-8"), FILE.name)


def read_signatures(text: str, source: str) -> tuple[Signature, ...]:
    """Return the signatures of a file's text; `source` names it in messages.

    Raises:
        RuleError: for the first thing that is wrong.
    """
    import tomllib  # noqa: PLC0415  a sweep that only reads greetings needs none of this

    from scanner.files import toml as safe_toml  # noqa: PLC0415

    try:
        tables = safe_toml.loads(text)["behaviour"]
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{source}: not TOML ({error})") from None
    except KeyError:
        raise RuleError(f"{source}: no [[behaviour]]") from None
    signatures = []
    for number, table in enumerate(tables, 1):
        try:
            signatures.append(_signature(dict(table)))
        except KeyError as error:
            raise RuleError(f"{source}: behaviour {number}: {error} is missing") from None
        except (TypeError, ValueError) as error:
            raise RuleError(f"{source}: behaviour {number}: {error}") from None
    return tuple(signatures)


def _signature(table: dict[str, Any]) -> Signature:
    signature = Signature(
        product=table.pop("product"),
        vendor=table.pop("vendor", None),
        cpe=table.pop("cpe", None),
        order=tuple(table.pop("order", ())),
        settable=frozenset(table.pop("settable", ())),
        traits=tuple(_trait(dict(trait)) for trait in table.pop("traits")),
    )
    if table:
        raise ValueError(f"unknown key {min(table)!r}")
    if unknown := signature.settable.difference(PLACES):
        raise ValueError(f"settable: there is no reply {min(unknown)!r}")
    return signature


def _trait(table: dict[str, Any]) -> Trait:
    trait = Trait(
        id=table.pop("id"),
        place=table.pop("in"),
        points=table.pop("points"),
        pattern=compile_pattern(table.pop("pattern"), {}),
        names=table.pop("names", False),
        code=table.pop("code", None),
    )
    if table:
        raise ValueError(f"trait {trait.id}: unknown key {min(table)!r}")
    if trait.place not in PLACES:
        raise ValueError(f"trait {trait.id}: there is no reply {trait.place!r}")
    if not 1 <= trait.points <= MAX_POINTS:
        raise ValueError(f"trait {trait.id}: points {trait.points} are not 1 to {MAX_POINTS}")
    if trait.pattern.groupindex and (set(trait.pattern.groupindex) != {"version"} or not trait.names):
        raise ValueError(f"trait {trait.id}: only a text that names the product has a group, and it is called version")
    return trait


def known_keywords(signatures: tuple[Signature, ...]) -> frozenset[str]:
    """Return the keywords of EHLO whose place is evidence: those in any signature's order."""
    return frozenset(keyword for signature in signatures for keyword in signature.order)


def software_of(signature: Signature, fields: Mapping[str, Any]) -> Software:
    """Return the software of a signature, with the fields that a dialogue decided."""
    return Software(signature.product, signature.vendor, **fields)
