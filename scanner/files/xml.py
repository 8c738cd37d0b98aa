"""Read XML from other programs piece by piece, with protection against hostile documents.

Expat reports each element as it comes, so memory does not grow with the file. Three things are refused: entities that
the document defines (one line of them can expand to gigabytes), external content (nothing is ever fetched), and a tag
that does not end within a megabyte.

Source: CPython's documentation, "XML vulnerabilities".
"""

from collections.abc import Callable, Mapping
from typing import Final
from xml.parsers import expat  # nosec  entities are refused below

#: The most bytes that may wait for the end of one tag.
MAX_TOKEN_BYTES: Final = 1 << 20

#: What expat says of a document that ends before its first element does.
_ENDS_EARLY: Final = expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]

StartHandler = Callable[[str, Mapping[str, str]], None]
EndHandler = Callable[[str], None]
TextHandler = Callable[[str], None]


class XmlReader:
    """Takes the bytes of one document and calls a handler for each element."""

    def __init__(
        self,
        on_start: StartHandler,
        on_end: EndHandler,
        on_text: TextHandler | None = None,
        *,
        encoding: str | None = None,
    ) -> None:
        """Make one; `encoding` is that of the bytes, whatever the document says."""
        self._fed = 0
        self._parser = expat.ParserCreate(encoding)
        self._parser.StartElementHandler = on_start
        self._parser.EndElementHandler = on_end
        self._parser.CharacterDataHandler = on_text
        self._parser.EntityDeclHandler = _refuse_entity

    @property
    def line(self) -> int:
        """The number of the line that is being read."""
        return self._parser.CurrentLineNumber

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Read further bytes; `last` says that there are no more.

        Raises:
            ValueError: when this is not XML, or XML that is refused. Nothing more can be read then.
        """
        self._fed += len(data)
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            if last and error.code == _ENDS_EARLY:
                raise ValueError("not well-formed XML: it ends in the middle") from None
            raise ValueError(f"not well-formed XML: {expat.ErrorString(error.code)}") from None
        if not last and self._fed - self._parser.CurrentByteIndex > MAX_TOKEN_BYTES:
            raise ValueError(f"a tag of more than {MAX_TOKEN_BYTES:,} bytes")


def _refuse_entity(name: str, *_: object) -> None:
    raise ValueError(f"it defines an entity ({name[:40]!a}), which is not read")
