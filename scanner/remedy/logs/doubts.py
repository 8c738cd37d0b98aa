"""Why nothing may be concluded from what a log does not show: it was not understood, or there was nothing to read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from scanner.counted import counted
from scanner.remedy.logs.lines import LineCounts
from scanner.remedy.logs.unread import Example, Unread

_SERVERS = "sendmail, postfix, exim, opensmtpd, courier"


@dataclass(slots=True)
class FileRead:
    """How much of a file was understood: lines about clients' connections, and those that were not understood.

    `first_at` is the Unix time of its first line of a mail server that has one.
    """

    file: str
    unread: Unread
    understood: int = 0
    first_at: float | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether most of what it says about connections was not understood."""
        return self.unread.lines > self.understood


@dataclass(frozen=True, slots=True)
class Sought:
    """What was looked for, and how far it was found.

    `asked` is whether anything was looked for, `missed` whether some of it was not found. `chosen` counts the lines
    about connections that the question left, `untimed` the connections from our address that have no time. `missing_at`
    are the Unix times, by the server's clock and with all tolerance, at which visits that were not found were over.
    """

    asked: bool
    missed: bool
    chosen: int
    untimed: int
    missing_at: Sequence[float] = ()


def doubts(files: Sequence[FileRead], counts: LineCounts, sought: Sought) -> Iterator[str]:
    """Yield the doubts, each a sentence for people."""
    for read in files:
        yield from _about(read, sought)
    nothing = not counts.of_mail_servers and not any(read.is_doubtful for read in files)
    if nothing and counts.lines:
        yield f"no line is of a mail server that is understood: {_SERVERS}"
    elif nothing and sought.asked:
        yield "the log is empty: it tells of no visit, and of none that was not there"
    if sought.asked and sought.missed:
        yield from _about_choice(files, sought)


def _about(read: FileRead, sought: Sought) -> Iterator[str]:
    unread = read.unread
    if unread.example is not None and read.is_doubtful:
        yield (
            f"{unread.example.place.file}: {counted(unread.lines, 'line')} that look like a mail server's were not "
            f"understood, {read.understood:,} were: nothing can be concluded from this file; for example "
            f"{_shown(unread.example)}"
        )
    elif sought.asked and sought.missed and unread.naming_us is not None:
        yield f"a line with our address was not understood, and may be what is missing: {_shown(unread.naming_us)}"


def _about_choice(files: Sequence[FileRead], sought: Sought) -> Iterator[str]:
    """Yield why the lines that were looked at cannot have what is missing."""
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
    first_at = min((read.first_at for read in files if read.first_at is not None), default=None)
    early = sum(first_at is not None and at < first_at for at in sought.missing_at)
    if first_at is not None and early:
        begins = datetime.fromtimestamp(first_at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        visits = counted(early, "visit")
        yield f"{visits} without a trace came before this log begins, {begins}: give the older files too"


def _shown(example: Example) -> str:
    return f"line {example.place.line}: {example.text}"
