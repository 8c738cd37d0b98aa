"""From what the user wrote after `-o` to a sink: `-`, a path, or a URL whose scheme somebody provides.

Schemes are entry points of the group `smtpsweep.sinks`, so that another distribution adds a destination by being
installed. Each names a factory `(url: str, options: SinkOptions) -> Sink`. The project's own `file` is one of them.
"""

import re
from typing import TYPE_CHECKING

from scanner.errors import InputError
from scanner.sinks.descriptor import printable
from scanner.sinks.file import FileSink
from scanner.sinks.sink import Sink, SinkOptions
from scanner.sinks.stdout import StdoutSink

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

GROUP = "smtpsweep.sinks"
#: RFC 3986, 3.1. What has no "://" is a path, whatever else is in it.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def make_sink(spec: str, options: SinkOptions) -> Sink:
    """Return the sink that a text names; it is not opened yet.

    Raises:
        InputError: when the text is no path, nobody (or more than one) provides its scheme, or the provider refuses it.
    """
    if spec == "-":
        return StdoutSink()
    scheme = scheme_of(spec)
    if scheme is None:
        return FileSink(spec, options)
    return _make_by_scheme(scheme, spec, options)


def scheme_of(spec: str) -> str | None:
    """Return the scheme of a URL in lower case, None for what is a path or standard output."""
    url = _URL.match(spec)
    return None if url is None else url[1].lower()


def entry_points(group: str) -> "EntryPoints":
    """Return what is installed; loaded when a URL asks for it, since most outputs are paths."""
    from importlib.metadata import entry_points as installed  # noqa: PLC0415  15 ms that a plain sweep need not pay

    return installed(group=group)


def _make_by_scheme(scheme: str, url: str, options: SinkOptions) -> Sink:
    known = entry_points(group=GROUP)
    provided = [point for point in known if point.name == scheme]
    if not provided:
        schemes = ", ".join(sorted(f"{point.name}://" for point in known)) or "none"
        raise InputError(f"-o {scheme}://...: no sink of this kind is installed; known: -, a path, {schemes}")
    if len(provided) > 1:
        raise InputError(f"-o {scheme}://...: more than one provides it: {', '.join(map(_provider, provided))}")
    try:
        factory = provided[0].load()
    except (ImportError, AttributeError) as error:
        reason = printable(str(error))
        raise InputError(f"-o {scheme}://...: {_provider(provided[0])} cannot be loaded: {reason}") from error
    sink: Sink = factory(url, options)
    return sink


def _provider(point: "EntryPoint") -> str:
    return point.dist.name if point.dist is not None else point.value
