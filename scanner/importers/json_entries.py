"""The objects of a JSON file, one at a time, in any layout: lines, an array on one line or on many, several arrays.

masscan's files are not always JSON: some versions leave a comma before the last bracket or end with `{finished: 1}`,
and whoever stopped a scan has half a file. So what stands between the objects (commas, brackets) is passed over, an
object that is wrong is told, and the reading goes on at the next that begins like one. That may be inside the wrong
one, where a cut has swallowed a good entry; one that is wrong at the same place is the same fault, told once. An array
that nothing closes was cut between two entries, which is told at the end. Python's own scanner finds the end of an
object; a strict reader of streams would end at the first of these places (decision 20).

Memory holds one object and a piece of the file. An object that is nested too deeply or too long is told as well.
"""

import codecs
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, Final, NamedTuple

from scanner import lazy
from scanner.errors import InputError

#: An object with more characters is not read: with all certificates of a TLS handshake an entry has some 100,000.
MAX_ENTRY: Final = 1 << 23
#: What is between two objects and goes on for so long has no end (a device).
_ENDLESS: Final = 1 << 26
#: A text beside objects is not read when it is longer.
MAX_TEXT: Final = 1 << 20
_READ_BYTES: Final = 1 << 16
#: What is scanned first; entries without certificates are shorter.
_PIECE: Final = 1 << 11
#: An error so near the end of what was read may be gone when more is read: `tru`, half of `\u00fc`.
_TAIL: Final = 12
#: After an error that came later than this, what was scanned is not scanned again.
_NEAR: Final = 1 << 12
#: Brackets after which a nesting is too deep for Python's scanner, less some that the caller's own calls take.
_DEEP: Final = 700
#: Objects and lists in each other. Python's own limit is about as high, but only until 3.11.
_MOST_NESTED: Final = 900

_BETWEEN: Final = lazy.pattern(r"[\s,\[\]\x1e]*")
_BRACKETS: Final = lazy.pattern(r"[\[\]]")
_LINE: Final = lazy.pattern(r"[^\n]*")
_OPENING: Final = lazy.pattern(r"[\[{]")
#: Where reading goes on: the start of an entry, which no text inside JSON can hold unescaped, or of a line.
_NEXT: Final = lazy.pattern(r'\{\s{0,99}"(?:ip|domain|data)"|^(?:[\[{]|banner )', re.MULTILINE)
_NEXT_LENGTH: Final = 120


class JsonEntry(NamedTuple):
    """One thing in the file: an object (`value`), or a line of text beside the objects, or a `problem` and its line.

    `is_cut`: a line of text is the last, and no line end says that it is whole.
    """

    line: int
    value: dict[str, Any] | None = None
    text: str = ""
    problem: str | None = None
    is_cut: bool = False


def read_entries(stream: BufferedReader, name: str) -> Iterator[JsonEntry]:
    """Yield every object of a file, and what is beside them. Bytes that are not UTF-8 become lone surrogates.

    Raises:
        InputError: when it has no end.
    """
    return _EntryReader(stream, name).entries()


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) <= 20 else None


class _EntryReader:
    def __init__(self, stream: BufferedReader, name: str) -> None:
        self._stream = stream
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._scan = json.JSONDecoder(parse_int=_integer, parse_constant=lambda _: None).raw_decode
        self._text = ""
        self._at = 0  # where reading stands in it
        self._line = 1
        self._ended = False
        self._before = 0  # characters of the file before `_text`
        self._fault_at = -1  # where in the file the last fault was
        self._open = 0  # brackets around what is read
        self._is_faulty = False  # what was passed over may have closed them

    def entries(self) -> Iterator[JsonEntry]:
        while self._skip():
            entry = self._object() if self._text[self._at] == "{" else self._other()
            if entry is not None:
                yield entry
        if self._open and not self._is_faulty:
            yield JsonEntry(self._line, problem="the file ends before the bracket that closes its list: it was cut")

    def _skip(self) -> bool:
        """Pass over what is between two objects; False at the end."""
        passed = 0
        while True:
            end = _BETWEEN.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            passed += end - self._at
            if passed > _ENDLESS:
                raise self._endless()
            for bracket in _BRACKETS.findall(self._text, self._at, end):
                self._open = self._open + 1 if bracket == "[" else max(0, self._open - 1)
            self._advance(end)
            if end < len(self._text):
                return True
            if self._ended:
                return False
            self._fill()

    def _object(self) -> JsonEntry | None:
        """Read an object; None when it has the same fault as the one around it, which was told."""
        tried = False
        while True:
            # Most entries are in a small piece, and a mistake costs as much as the text it is in.
            is_piece = len(self._text) - self._at > _PIECE and not tried
            text = self._text[self._at : self._at + _PIECE] if is_piece else self._text[self._at :]
            try:
                value, end = self._scan(text, 0)
            except RecursionError:
                return self._broken("it is nested too deeply", self._beyond_nesting())
            except json.JSONDecodeError as error:
                is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text) - _TAIL
                fault_at = self._at + error.pos
                if not is_cut:
                    return self._fault(f"not valid JSON: {error.msg}", fault_at)
                if is_piece:
                    tried = True
                    continue
                if self._ended:
                    return self._fault(f"not valid JSON: the file ends inside it ({error.msg})", fault_at)
                if len(self._text) - self._at > MAX_ENTRY:
                    return self._broken(f"an entry of more than {MAX_ENTRY:,} characters", len(self._text))
                self._fill(len(self._text) - self._at)
            else:
                if text.count("{", 0, end) + text.count("[", 0, end) > _MOST_NESTED and _is_deep(value):
                    return self._broken("it is nested too deeply", self._beyond_nesting())
                entry = JsonEntry(self._line, value)
                self._advance(self._at + end)
                return entry

    def _other(self) -> JsonEntry:
        """Read a line that begins with something else than an object."""
        line, length, kept = self._line, 0, ""
        while True:
            end = _LINE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            length += end - self._at
            if length <= MAX_TEXT:
                kept += self._text[self._at : end]
            self._advance(end)
            if end < len(self._text) or self._ended:
                break
            if length > _ENDLESS:
                raise self._endless()
            self._fill()
        problem = f"more than {MAX_TEXT:,} bytes" if length > MAX_TEXT else None
        return JsonEntry(line, None, kept.rstrip("\r"), problem, is_cut=end == len(self._text))

    def _fault(self, problem: str, at: int) -> JsonEntry | None:
        """Tell of a mistake at a place in the text, once, and go on at the next object."""
        if self._before + at == self._fault_at:
            self._broken(problem, max(self._at + 1, at - _NEXT_LENGTH))
            return None
        self._fault_at = self._before + at
        return self._broken(problem, self._after(at))

    def _broken(self, problem: str, search: int) -> JsonEntry:
        """Tell what is wrong with the object that begins here, and go on at the next one, from `search` on."""
        start, self._is_faulty = self._at, True
        entry = JsonEntry(self._line, None, self._text[start : start + 60].partition("\n")[0], problem)
        while True:
            found = _NEXT.search(self._text, search)
            if found is not None:
                self._advance(found.start())
                return entry
            # A match may begin in what was read last and end in what comes next.
            self._advance(max(search - 1, len(self._text) - _NEXT_LENGTH, start))
            if self._ended:
                self._advance(len(self._text))
                return entry
            self._fill()
            search = self._at + 1

    def _after(self, error_at: int) -> int:
        """Return where to look for the next object when this one is wrong at a place: what was cut may begin before."""
        if error_at - self._at <= _NEAR:
            return self._at + 1
        line_start = self._text.rfind("\n", self._at, error_at) + 1
        return line_start if line_start > self._at else error_at

    def _beyond_nesting(self) -> int:
        """Return a place after so many brackets that what begins there is not as deep."""
        place = self._at
        for number, bracket in enumerate(_OPENING.finditer(self._text, self._at)):
            place = bracket.start()
            if number >= _DEEP:
                break
        return place

    def _advance(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _fill(self, wanted: int = 0) -> None:
        """Read on: as much again as is waiting, so that a long object is not scanned too often."""
        raw = self._stream.read1(_READ_BYTES)
        while 0 < len(raw) < wanted and (more := self._stream.read1(_READ_BYTES)):
            raw += more
        self._ended = not raw
        self._before += self._at
        self._text = self._text[self._at :] + self._decoder.decode(raw, final=self._ended)
        self._at = 0

    def _endless(self) -> InputError:
        return InputError(f"{self._name}: line {self._line} has no end: is it a list of greetings?")


def _is_deep(value: Any) -> bool:
    """Whether a value has more than `_MOST_NESTED` objects and lists in each other."""
    level, depth = [value], 0
    while level and depth <= _MOST_NESTED:
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        depth += 1
    return bool(level)
