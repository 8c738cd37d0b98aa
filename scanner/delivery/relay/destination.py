"""Make a destination from the URL of a remote sink: its kind is found by the scheme, its format by name.

Kinds are entry points of the group `smtpsweep.receivers`, each a `SinkKind`, so another distribution adds one by being
installed. Nothing is opened here; mistakes in a URL are reported before the sweep begins.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scanner.delivery.receivers.discreet import DiscreetReceiver
from scanner.delivery.receivers.receiver import Receiver
from scanner.delivery.receivers.urls import SinkKind, SinkUrl
from scanner.delivery.redaction import Redaction
from scanner.delivery.registry import entry_points, foreign, scheme_of
from scanner.delivery.relay.relay import Relay
from scanner.delivery.relay.statistics import OverflowPolicy
from scanner.delivery.spool import RunFolder
from scanner.errors import InputError
from scanner.formats import Format, make_format

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "smtpsweep.receivers"


@dataclass(frozen=True, slots=True)
class Destination:
    """A remote sink, ready to be served: `url` is what the user wrote, `shown` the part that may be shown."""

    name: str
    url: str
    shown: str
    receiver: Receiver
    format: Format
    policy: OverflowPolicy
    max_lag: int
    kind: SinkKind[Any] | None = None
    redaction: Redaction = field(default_factory=Redaction)

    def relay(self, folder: RunFolder, run: str, on_progress: Callable[[], None]) -> Relay:
        """Return the relay that serves it from a run."""
        return Relay(
            self.name,
            self.receiver,
            self.format,
            folder,
            run,
            policy=self.policy,
            max_lag=self.max_lag,
            on_progress=on_progress,
        )


def kinds(on_broken: Callable[[str], None]) -> Mapping[str, SinkKind[Any]]:
    """Return every installed kind that can be loaded, by scheme; `on_broken` gets a line about each other one."""
    found: dict[str, SinkKind[Any]] = {}
    for scheme in sorted(entry_points(GROUP).names):
        try:
            found[scheme] = _load(scheme)[0]
        except InputError as error:
            on_broken(str(error))
    return found


def is_remote(spec: str) -> bool:
    """Whether a text after `-o` is the URL of a remote sink."""
    scheme = scheme_of(spec)
    return scheme is not None and bool(entry_points(GROUP).select(name=scheme))


def make_destinations(urls: Sequence[str]) -> list[Destination]:
    """Return the destinations of the URLs, each with a name of its own.

    Raises:
        InputError: when one cannot be used as given, or two have the same name.
    """
    destinations: list[Destination] = []
    for number, url in enumerate(urls, 1):
        destination = make_destination(url, number)
        if destination.name in (other.name for other in destinations):
            raise InputError(
                f"-o {destination.shown}: name={destination.name} is the name of another sink: choose another name"
            )
        destinations.append(destination)
    return destinations


def make_destination(text: str, number: int | str = 1, *, is_unique: bool = False) -> Destination:
    """Return the destination of a URL; without `name=` it is named by its scheme and a number.

    Args:
        text: the URL.
        number: the number, or any other text.
        is_unique: whether a given name gets the number, too.

    Raises:
        InputError: when it cannot be used as given.
    """
    scheme = scheme_of(text)
    if scheme is None:
        raise InputError(f"{text!a}: is not the URL of a remote sink (see 'smtpsweep sinks')")
    kind, point = _load(scheme)
    with foreign(point, f"-o {scheme}://...:"):
        url = SinkUrl(text, kind)
    with foreign(point, f"-o {url.shown}:", lambda text: url.redaction.beginning(text, len(text))):
        receiver = kind.make(url)
    given, called = url.options.name, scheme.replace("+", "-")
    return Destination(
        name=given if given and not is_unique else f"{given or called}-{number}",
        url=text,
        shown=url.shown,
        receiver=DiscreetReceiver(receiver, url.redaction),
        redaction=url.redaction,
        format=make_format(url.options.format),
        policy=OverflowPolicy(url.options.policy),
        max_lag=url.options.max_lag,
        kind=kind,
    )


def _load(scheme: str) -> "tuple[SinkKind[Any], EntryPoint]":
    points = list(entry_points(GROUP).select(name=scheme))
    if not points:
        raise InputError(f"-o {scheme}://...: no sink of this kind is installed (smtpsweep sinks lists them)")
    if len(points) > 1:
        raise InputError(f"-o {scheme}://...: more than one installed package provides it")
    with foreign(points[0], f"-o {scheme}://...:"):
        kind = points[0].load()
        if not isinstance(kind, SinkKind):
            raise TypeError("it is not a SinkKind")
    return kind, points[0]
