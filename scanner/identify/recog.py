r"""A Recog database of the user's (`--fingerprints recog:FOLDER`), used for greetings that no shipped rule knows.

Recog is an XML format for fingerprints: `smtp_banners.xml` has a regular expression for each form of greeting, matched
against each of its lines, and parameters that are fixed (`pos="0"`) or captured. They are read into the same fields as
the shipped rules fill; a fingerprint without a product is left out, and so are host names and dates.

The expressions are Ruby's. What Python writes differently is rewritten; what it cannot compile is reported and left
out. They are not written for hostile text, so a line is cut to `MAX_TEXT` before it is matched, and an expression is
left out in which one repetition holds another, or whose repetitions without a bound could multiply: both can take time
without end. A text that a match must hold (`required_text`) decides whether an expression is tried at all.

Source: github.com/rapid7/recog, its README and fingerprints.xsd (the format, not the data).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, Self

from scanner.errors import InputError
from scanner.files.xml import XmlReader
from scanner.identify.cpe import cpe_name
from scanner.identify.patterns import repetitions, required_text
from scanner.model import Banner, Software

#: The file in the folder, or in its folder `xml`, as in a copy of the repository.
FILE_NAME: Final = "smtp_banners.xml"
#: RFC 5321 4.5.3.1.5: the longest line that a server may send.
MAX_TEXT: Final = 512
#: With so many, 512 characters can be divided in 20 million ways.
MAX_UNBOUNDED: Final = 3
#: Recog's own certainty where a fingerprint names none.
_CERTAINTY: Final = 0.85
_CACHED_SOFTWARE: Final = 1024

#: Recog's parameter -> our field. The first that has a value counts.
_FIELDS: Final = {
    "service.vendor": "vendor",
    "service.product": "product",
    "service.family": "product_line",
    "service.version": "version",
    "service.version.version": "patch",
    "sendmail.config.version": "config_version",
    "sendmail.vendor.version": "package",
    "os.product": "os",
    "os.version": "os_version",
}
_CPE: Final = re.compile(r"cpe:(?:/|2\.3:)([aoh]):([a-z0-9_.\\~%-]+):([a-z0-9_.\\~%-]+)")
_FLAGS: Final = {"REG_ICASE": re.IGNORECASE, "REG_DOT_NEWLINE": re.DOTALL, "REG_MULTILINE": re.MULTILINE}
#: Ruby's way to write something, and Python's.
_DIALECT: Final = (
    (re.compile(r"\(\?<(?![=!])"), "(?P<"),
    (re.compile(r"\\z"), r"\\Z"),
    (re.compile(r"\\h"), "[0-9a-fA-F]"),
    (re.compile(r"\[\[:alpha:\]\]"), "[A-Za-z]"),
    (re.compile(r"\[\[:digit:\]\]"), "[0-9]"),
    (re.compile(r"\[\[:alnum:\]\]"), "[A-Za-z0-9]"),
    (re.compile(r"\[\[:space:\]\]"), r"\\s"),
)
_IGNORES_CASE: Final = re.compile(r"^(\^?)\(\?i\)")


@dataclass(frozen=True, slots=True, eq=False)
class _Fingerprint:
    """One expression and what it says: fixed values and numbers of groups, by our field names."""

    number: int
    pattern: re.Pattern[str]
    required: str
    fixed: Mapping[str, str]
    captured: Mapping[str, int]
    cpe: str | None
    certainty: float


@dataclass(slots=True)
class _Raw:
    """A fingerprint as the file has it."""

    number: int
    pattern: str
    flags: str
    params: list[Mapping[str, str]] = field(default_factory=list)


class RecogDatabase:
    """The fingerprints of one file. `skipped` says which were left out, and why, a sentence each."""

    def __init__(self, found: list[_Raw], source: str) -> None:
        self.skipped: list[str] = []
        self._fingerprints: list[_Fingerprint] = []
        for raw in found:
            try:
                fingerprint = _fingerprint(raw)
            except ValueError as error:
                self.skipped.append(f"{source}: fingerprint {raw.number}: {error}")
            else:
                if fingerprint is not None:
                    self._fingerprints.append(fingerprint)
        self._software = lru_cache(_CACHED_SOFTWARE)(_software)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a folder that has `smtp_banners.xml`, or such a file.

        Raises:
            InputError: when there is none, or it cannot be read.
        """
        for file in (path, path / FILE_NAME, path / "xml" / FILE_NAME):
            if file.is_file():
                return cls(_parse(file), file.name)
        raise InputError(f"--fingerprints recog:{path}: has no {FILE_NAME}")

    def __len__(self) -> int:
        return len(self._fingerprints)

    def identify(self, banner: Banner) -> Software | None:
        """Return what the first fingerprint says that matches a line; None when none does."""
        for line in banner.lines:
            text = line[:MAX_TEXT]
            folded = text.lower()
            for fingerprint in self._fingerprints:
                if fingerprint.required in folded:
                    match = fingerprint.pattern.search(text)
                    if match is not None:
                        return self._software(fingerprint, match.groups())
        return None


def _software(fingerprint: _Fingerprint, groups: tuple[str | None, ...]) -> Software:
    values = {name: groups[number - 1] for name, number in fingerprint.captured.items()}
    fields: dict[str, str] = {**fingerprint.fixed, **{name: value for name, value in values.items() if value}}
    if fields.get("product_line") == fields["product"]:
        del fields["product_line"]
    version = fields.get("version")
    return Software(
        **fields,
        cpe=None if fingerprint.cpe is None else cpe_name(fingerprint.cpe, version),
        confidence=fingerprint.certainty,
        evidence=f"recog.smtp-banners.{fingerprint.number}",
        kind=None,  # Recog has programs and services alike, and does not say which
    )


def _parse(path: Path) -> list[_Raw]:
    found: list[_Raw] = []

    def on_start(element: str, attributes: Mapping[str, str]) -> None:
        if element == "fingerprint":
            found.append(_Raw(len(found) + 1, attributes.get("pattern", ""), attributes.get("flags", "")))
        elif element == "param" and found:
            found[-1].params.append(attributes)

    reader = XmlReader(on_start, lambda _: None)
    try:
        reader.feed(path.read_bytes(), last=True)
    except ValueError as error:
        raise InputError(f"--fingerprints recog:{path}: line {reader.line}: {error}") from None
    except OSError as error:
        raise InputError(f"--fingerprints recog:{path}: cannot be read ({error.strerror})") from None
    return found


def _fingerprint(raw: _Raw) -> _Fingerprint | None:
    """Make a fingerprint ready for use; None when it names no product.

    Raises:
        ValueError: when its expression cannot be used, saying why.
    """
    fixed: dict[str, str] = {}
    captured: dict[str, int] = {}
    cpe, certainty = None, _CERTAINTY
    for param in raw.params:
        name, value, position = param.get("name", ""), param.get("value", ""), param.get("pos", "0")
        field_name = _FIELDS.get(name)
        if name == "service.cpe23":
            cpe = _cpe_template(value)
        elif name == "service.certainty":
            certainty = min(max(float(value), 0.0), 1.0)
        elif field_name is not None and position == "0" and value.isprintable() and "{" not in value:
            fixed.setdefault(field_name, value)
        elif field_name is not None and position.isdecimal() and position != "0":
            captured.setdefault(field_name, int(position))
    if "product" not in fixed and "product_line" in fixed:
        fixed["product"] = fixed.pop("product_line")
    if "product" not in fixed:
        return None
    pattern = _compiled(raw)
    if max(captured.values(), default=0) > pattern.groups:
        raise ValueError("a parameter names a group that the expression does not have")
    return _Fingerprint(raw.number, pattern, required_text(pattern.pattern), fixed, captured, cpe, certainty)


def _compiled(raw: _Raw) -> re.Pattern[str]:
    text, flags = raw.pattern, 0
    for name in raw.flags.replace("|", ",").split(","):
        flags |= _FLAGS.get(name.strip(), 0)
    if _IGNORES_CASE.search(text):
        text, flags = _IGNORES_CASE.sub(r"\1", text), flags | re.IGNORECASE
    for ruby, python in _DIALECT:
        text = ruby.sub(python, text)
    unbounded = 0
    for repeat, holds in repetitions(text):
        many = not repeat.strip("{}").rpartition(",")[2].isdigit()
        if holds and repeat != "{1}":
            raise ValueError(f"the repetition {repeat} holds another one, which can take time without end")
        unbounded += many or int(repeat.strip("{}").rpartition(",")[2]) > MAX_TEXT // 4
    if unbounded > MAX_UNBOUNDED and _can_multiply(text):
        raise ValueError(f"{unbounded} repetitions without a bound can take time without end")
    try:
        return re.compile(text, flags)
    except (re.error, OverflowError) as error:
        raise ValueError(f"Python cannot compile its expression: {error}") from None


def _can_multiply(text: str) -> bool:
    """Tell whether more than `MAX_UNBOUNDED` of the repetitions are of any character."""
    return len(re.findall(r"(?<!\\)\.(?:[*+]|\{[0-9]*,)", text)) > MAX_UNBOUNDED


def _cpe_template(value: str) -> str | None:
    """Return our template for a CPE name; None when it is none. The version is filled in by us."""
    match = _CPE.match(value)
    return None if match is None else f"cpe:2.3:{match[1]}:{match[2]}:{match[3]}:{{version}}:*:*:*:*:*:*:*"
