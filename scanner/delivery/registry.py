"""Make a sink from the text after `-o`: `-`, a path, or a URL whose scheme an installed package provides.

Schemes are entry points of the group `smtpsweep.sinks`, so another distribution adds a destination by being installed.
Each entry point names a factory `(url: str, options: SinkOptions) -> Sink`. The project's own `file` is one of them.
Remote sinks have a group of their own: see `delivery.relay.destination`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scanner import lazy
from scanner.delivery.local.descriptor import printable
from scanner.delivery.local.file import FileSink
from scanner.delivery.local.stdout import StdoutSink
from scanner.delivery.sink import Sink, SinkOptions
from scanner.errors import InputError, SmtpsweepError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUP = "smtpsweep.sinks"
#: Characters that are shown of an error message of another package.
_SHOWN = 300
#: RFC 3986, 3.1. A text without "://" is a path, whatever else is in it.
_URL = lazy.pattern(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def make_sink(spec: str, options: SinkOptions) -> Sink:
    """Return the sink that a text names; it is not opened yet.

    Raises:
        InputError: when the text is not a path, its scheme is unknown or provided twice, or the provider refuses it.
    """
    if spec == "-":
        return StdoutSink()
    scheme = scheme_of(spec)
    if scheme is None:
        return FileSink(spec, options)
    return _make_by_scheme(scheme, spec, options)


def scheme_of(spec: str) -> str | None:
    """Return the scheme of a URL in lower case, None for a path or standard output."""
    url = _URL.match(spec)
    return None if url is None else url[1].lower()


def entry_points(group: str) -> "EntryPoints":
    """Return the installed entry points of a group; read only for a URL, since most outputs are paths."""
    from importlib.metadata import entry_points as installed  # noqa: PLC0415  15 ms, not needed for a path

    return installed(group=group)


def _make_by_scheme(scheme: str, url: str, options: SinkOptions) -> Sink:
    known = entry_points(group=GROUP)
    provided = [point for point in known if point.name == scheme]
    if not provided:
        schemes = ", ".join(sorted(f"{point.name}://" for point in known)) or "none"
        raise InputError(f"-o {scheme}://...: no sink of this kind is installed; known: -, a path, {schemes}")
    if len(provided) > 1:
        raise InputError(f"-o {scheme}://...: more than one provides it: {', '.join(map(_provider, provided))}")
    with foreign(provided[0], f"-o {scheme}://...:"):
        sink: Sink = provided[0].load()(url, options)
    return sink


@contextmanager
def foreign(point: "EntryPoint", where: str, shown: Callable[[str], str] = printable) -> Iterator[None]:
    """Run code of an entry point, possibly a third party's: whatever it raises becomes one line that names it.

    `SystemExit` is caught as well: a package that exits when it is imported would end a sweep as if all were well.

    Args:
        point: the entry point whose code is loaded or called.
        where: the beginning of the line.
        shown: makes a message printable, and removes secrets when there are any.

    Raises:
        InputError: for every error but our own.
    """
    try:
        yield
    except SmtpsweepError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  reported as one line, whatever it is
        reason = shown(f"{type(error).__name__}: {error}")[:_SHOWN]
        whose = "" if point.dist is None else f" of {point.dist.name}"
        raise InputError(f"{where} {point.value}{whose} cannot be used: {reason}") from None


def _provider(point: "EntryPoint") -> str:
    return point.dist.name if point.dist is not None else point.value
