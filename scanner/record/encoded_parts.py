"""Parts that many records share, encoded once.

All hosts with the same software share one tuple of findings and one assessment, and these are some kilobytes of
JSON. So their JSON is kept, and `orjson.dumps` puts it into a line as it is (`orjson.Fragment`).
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import orjson

#: The world has some hundred versions of mail servers. A hostile network can fill the memory of one, not grow it.
MOST_KEPT: Final = 256

Part = TypeVar("Part")


class EncodedParts(Generic[Part]):
    """The JSON of parts of one kind, by the identity of the part.

    `kept` is public because the encoder reads it for each record: a call would cost more than what it does. The part
    is kept beside its JSON, so that no other object can get its identity.
    """

    __slots__ = ("_document_of", "kept")

    def __init__(self, document_of: Callable[[Part], object]) -> None:
        self.kept: dict[int, tuple[Part, orjson.Fragment]] = {}
        self._document_of = document_of

    def keep(self, part: Part) -> tuple[Part, orjson.Fragment]:
        """Encode a part and keep it; when there are `MOST_KEPT`, all are dropped first."""
        if len(self.kept) >= MOST_KEPT:
            self.kept.clear()
        entry = self.kept[id(part)] = (part, orjson.Fragment(orjson.dumps(self._document_of(part))))
        return entry
