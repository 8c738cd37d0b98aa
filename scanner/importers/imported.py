"""The type that every importer produces."""

from typing import NamedTuple


class ImportedBanner(NamedTuple):
    """One banner, with what its source says about it.

    `raw` holds the bytes that the server sent, as far as the source preserved them. `observed_at` is Unix seconds.
    `host` is the name that the user of the other scanner gave for the address. `notes` lists the values of the source
    that were left out, and why.
    """

    raw: bytes
    ip: str | None = None
    port: int | None = None
    observed_at: float | None = None
    host: str | None = None
    notes: tuple[str, ...] = ()


class BadLine(NamedTuple):
    """A place in a file that cannot be read, and why. Reading continues after it."""

    where: str
    problem: str
