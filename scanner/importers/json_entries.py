"""Read the objects of a JSON file one at a time, in any layout: lines, an array on one line or on many, several arrays.

masscan's files are not always valid JSON. Some versions leave a comma before the last bracket or end with
`{finished: 1}`, and a scan that was interrupted leaves half a file. A strict stream parser would stop at the first of
these places (decision 20), so this reader is lenient:

- It skips what stands between objects (commas, brackets). Python's own scanner finds the end of each object.
- An object that is wrong, nested too deeply or too long is reported. Reading continues at the next text that begins
  like an entry. That text may lie inside the wrong object, because a cut can swallow a good entry. A second error at
  the same place is the same fault and is reported once.
- An array that is never closed was cut between two entries. This is reported at the end.

Memory holds one object and a piece of the file.
"""

import codecs
import json
import re
from collections.abc import Iterator
from io import BufferedReader
from typing import Any, Final, NamedTuple

from scanner import lazy
from scanner.errors import InputError

#: A larger object is not read. An entry with all certificates of a TLS handshake has some 100,000 characters.
MAX_ENTRY: Final = 1 << 23
#: Text between two objects that is this long is taken to have no end (a device).
_ENDLESS: Final = 1 << 26
#: A longer text beside the objects is not read.
MAX_TEXT: Final = 1 << 20
_READ_BYTES: Final = 1 << 16
#: The piece that is scanned first; entries without certificates are shorter.
_PIECE: Final = 1 << 11
#: An error this close to the end of what was read may go away when more is read: `tru`, half of `\u00fc`.
_TAIL: Final = 12
#: After an error further on than this, the text before it is not scanned again.
_NEAR: Final = 1 << 12
#: Brackets that are too deep for Python's scanner, less some for the calls that are on the stack already.
_DEEP: Final = 700
#: Objects and lists inside each other. Python's own limit was about the same until 3.11.
_MOST_NESTED: Final = 900

_BETWEEN: Final = lazy.pattern(r"[\s,\[\]\x1e]*")
_BRACKETS: Final = lazy.pattern(r"[\[\]]")
_LINE: Final = lazy.pattern(r"[^\n]*")
_OPENING: Final = lazy.pattern(r"[\[{]")
#: Where reading continues: the start of an entry, which a JSON string cannot contain unescaped, or of a line.
_NEXT: Final = lazy.pattern(r'\{\s{0,99}"(?:ip|domain|data)"|^(?:[\[{]|banner )', re.MULTILINE)
_NEXT_LENGTH: Final = 120


class JsonEntry(NamedTuple):
    """One thing in the file: an object (`value`), a line of `text` beside the objects, or a `problem` and its line.

    `is_cut`: the text is the last line of the file and has no line end, so it may be incomplete.
    """

    line: int
    value: dict[str, Any] | None = None
    text: str = ""
    problem: str | None = None
    is_cut: bool = False


def read_entries(stream: BufferedReader, name: str) -> Iterator[JsonEntry]:
    """Yield every object of a file, and the text beside them. Bytes that are not UTF-8 become lone surrogates.

    Raises:
        InputError: when the file has no end.
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
        self._at = 0  # the reading position in `_text`
        self._line = 1
        self._ended = False
        self._before = 0  # characters of the file before `_text`
        self._fault_at = -1  # where in the file the last fault was
        self._open = 0  # brackets that are open at the reading position
        self._is_faulty = False  # skipped text may have closed them

    def entries(self) -> Iterator[JsonEntry]:
        while self._skip():
            entry = self._object() if self._text[self._at] == "{" else self._other()
            if entry is not None:
                yield entry
        if self._open and not self._is_faulty:
            yield JsonEntry(self._line, problem="the file ends before the bracket that closes its list: it was cut")

    def _skip(self) -> bool:
        """Skip what is between two objects; return False at the end."""
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
        """Read an object; None when it has the same fault as the one around it, which was reported."""
        tried = False
        while True:
            # Most entries fit into a small piece, and an error costs as much as the text that is scanned.
            is_piece = len(self._text) - self._at > _PIECE and not tried
            text = self._text[self._at : self._at + _PIECE] if is_piece else self._text[self._at :]
            try:
                value, end = self._scan(text, 0)
            except RecursionError:
                return self._too_deep()
            except json.JSONDecodeError as error:
                if not _is_cut(error, text):
                    return self._fault(f"not valid JSON: {error.msg}", self._at + error.pos)
                if is_piece:
                    tried = True
                elif self._ended:
                    return self._fault(f"not valid JSON: the file ends inside it ({error.msg})", self._at + error.pos)
                elif len(text) > MAX_ENTRY:
                    return self._broken(f"an entry of more than {MAX_ENTRY:,} characters", len(self._text))
                else:
                    self._fill(len(text))
            else:
                if text.count("{", 0, end) + text.count("[", 0, end) > _MOST_NESTED and _is_deep(value):
                    return self._too_deep()
                entry = JsonEntry(self._line, value)
                self._advance(self._at + end)
                return entry

    def _too_deep(self) -> JsonEntry:
        return self._broken("it is nested too deeply", self._beyond_nesting())

    def _other(self) -> JsonEntry:
        """Read a line that does not begin with an object."""
        line, length, text = self._line, 0, ""
        while True:
            end = _LINE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            length += end - self._at
            if length <= MAX_TEXT:
                text += self._text[self._at : end]
            self._advance(end)
            if end < len(self._text) or self._ended:
                break
            if length > _ENDLESS:
                raise self._endless()
            self._fill()
        problem = f"more than {MAX_TEXT:,} bytes" if length > MAX_TEXT else None
        return JsonEntry(line, None, text.rstrip("\r"), problem, is_cut=end == len(self._text))

    def _fault(self, problem: str, at: int) -> JsonEntry | None:
        """Report an error at a place in the text, once, and continue at the next object."""
        if self._before + at == self._fault_at:
            self._broken(problem, max(self._at + 1, at - _NEXT_LENGTH))
            return None
        self._fault_at = self._before + at
        return self._broken(problem, self._after(at))

    def _broken(self, problem: str, search: int) -> JsonEntry:
        """Report what is wrong with the object that begins here, and continue at the next one, from `search` on."""
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
        """Return where to look for the next object: an entry that a cut has swallowed begins before the error."""
        if error_at - self._at <= _NEAR:
            return self._at + 1
        line_start = self._text.rfind("\n", self._at, error_at) + 1
        return line_start if line_start > self._at else error_at

    def _beyond_nesting(self) -> int:
        """Return a place after `_DEEP` brackets: what begins there is not nested as deeply."""
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
        """Read at least `wanted` more bytes if there are any, so that a long object is not scanned too often."""
        raw = self._stream.read1(_READ_BYTES)
        while 0 < len(raw) < wanted and (more := self._stream.read1(_READ_BYTES)):
            raw += more
        self._ended = not raw
        self._before += self._at
        self._text = self._text[self._at :] + self._decoder.decode(raw, final=self._ended)
        self._at = 0

    def _endless(self) -> InputError:
        return InputError(f"{self._name}: line {self._line} has no end: is it a list of greetings?")


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Whether an error may go away when more text is read."""
    return error.msg.startswith("Unterminated") or error.pos >= len(text) - _TAIL


def _is_deep(value: Any) -> bool:
    """Whether a value has more than `_MOST_NESTED` objects and lists inside each other."""
    level, depth = [value], 0
    while level and depth <= _MOST_NESTED:
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        depth += 1
    return bool(level)
