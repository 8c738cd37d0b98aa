"""The reasons why a missing trace proves nothing: the log was not understood, or there was nothing to read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from scanner.maillogs.lines import LineCounts
from scanner.maillogs.spans import Span, TraceTime, uncovered
from scanner.maillogs.unread import ExampleLine, Unread
from scanner.text.counted import counted

_SERVERS = "sendmail, postfix, exim, opensmtpd, courier"


@dataclass(slots=True)
class FileRead:
    """How much of a file was understood: lines about clients' connections, and lines that were not understood.

    `span` is its time span; it is empty when the file has no line of a mail server, or none with a time.
    """

    file: str
    unread: Unread
    understood: int = 0
    span: Span = field(default_factory=Span)

    @property
    def is_doubtful(self) -> bool:
        """Whether most of its lines about connections were not understood."""
        return self.unread.lines > self.understood


@dataclass(frozen=True, slots=True)
class Sought:
    """What was looked for, and how much of it was found.

    `asked` is whether anything was looked for, `missed` whether some of it was not found. `chosen` counts the lines
    about connections that the question left, `untimed` the connections from our address that have no time. `missing`
    are the times of the visits that were not found, `nameless` the Unix times of connections whose client the log does
    not name. `since` and `until` bound what was looked at.
    """

    asked: bool
    missed: bool
    chosen: int
    untimed: int
    missing: Sequence[TraceTime] = ()
    nameless: Sequence[float] = ()
    since: float | None = None
    until: float | None = None


def doubts(files: Sequence[FileRead], counts: LineCounts, sought: Sought) -> Iterator[str]:
    """Yield the doubts, each a sentence for people."""
    for read in files:
        yield from _about(read, sought)
    nothing = not counts.of_mail_servers and not any(read.is_doubtful for read in files)
    if nothing and counts.lines:
        yield f"no line is of a mail server that is understood: {_SERVERS}"
    elif nothing and sought.asked:
        yield "the log is empty: it shows neither a visit nor that there was none"
    if sought.asked and sought.missed:
        yield from _about_choice(files, sought)


def _about(read: FileRead, sought: Sought) -> Iterator[str]:
    unread = read.unread
    if unread.example is not None and read.is_doubtful:
        lines = "line that looks" if unread.lines == 1 else "lines that look"
        yield (
            f"{unread.example.place.file}: {unread.lines:,} {lines} like a mail server's {_was(unread.lines)} not "
            f"understood, {read.understood:,} {_was(read.understood)}: nothing can be concluded from this file; for "
            f"example {_shown(unread.example)}"
        )
    elif sought.asked and sought.missed and unread.naming_us is not None:
        yield f"a line with our address was not understood, and may be what is missing: {_shown(unread.naming_us)}"
    if sought.asked and sought.missed and unread.withheld is not None and not read.is_doubtful:
        yield f"the log says that it does not tell everything, and may not tell of a visit: {_shown(unread.withheld)}"


def _about_choice(files: Sequence[FileRead], sought: Sought) -> Iterator[str]:
    """Yield why the lines that were read cannot show what is missing."""
    understood = sum(read.understood for read in files)
    if understood and not sought.chosen:
        yield (
            f"--host, --since and --until leave none of {counted(understood, 'line')} about connections: "
            "nothing was looked at"
        )
    if sought.untimed:
        yield (
            f"{counted(sought.untimed, 'connection')} from our address cannot be matched with a visit: "
            "the lines of this log have no time"
        )
    spans = [ends for read in files if (ends := read.span.maybe_ends) is not None]
    if spans and sought.missing:
        yield from uncovered(spans, sought.missing, sought.since, sought.until)
    elif sought.missing and understood and not sought.untimed:
        yield "the lines of this log have no time: it may not be from the time of the visits"
    if nameless := _maybe_ours(sought):
        yield (
            f"{counted(nameless, 'connection')} of a client that the log does not name (unknown[unknown]) may be what "
            "is missing"
        )


def _maybe_ours(sought: Sought) -> int:
    """Count the connections without a client that came at the time of a visit; without a sweep: all of them."""
    times = sought.missing
    return sum(not times or any(time.begins <= at <= time.over for time in times) for at in sought.nameless)


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _shown(example: ExampleLine) -> str:
    return f"line {example.place.line}: {example.text}"
