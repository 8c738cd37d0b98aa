"""What every format of imported banners is read into."""

from typing import NamedTuple


class Kept(NamedTuple):
    """One greeting, with what its source tells about it.

    `raw` are the bytes as the server sent them, as far as the source kept them. `observed_at` is Unix seconds, `host`
    the name that the user of the other scanner gave for the address. `notes` says what the source tells and we do not
    take over, and why.
    """

    raw: bytes
    ip: str | None = None
    port: int | None = None
    observed_at: float | None = None
    host: str | None = None
    notes: tuple[str, ...] = ()


class BadLine(NamedTuple):
    """A place in a file that cannot be read, and why: the next one is read all the same."""

    where: str
    problem: str
