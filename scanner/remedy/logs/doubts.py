"""Why nothing may be concluded from what a log does not show: it was not understood, or there was nothing to read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scanner.counted import counted
from scanner.remedy.logs.lines import LineCounts
from scanner.remedy.logs.unread import Example, Unread

_SERVERS = "sendmail, postfix, exim, opensmtpd, courier"


@dataclass(slots=True)
class FileRead:
    """How much of a file was understood: lines about clients' connections, and those that were not understood."""

    file: str
    unread: Unread
    understood: int = 0

    @property
    def is_doubtful(self) -> bool:
        """Whether most of what it says about connections was not understood."""
        return self.unread.lines > self.understood


def doubts(files: Iterable[FileRead], counts: LineCounts, *, asked: bool, missed: bool, untimed: int) -> Iterator[str]:
    """Yield the doubts, each a sentence for people.

    `asked` is whether something was looked for, `missed` whether some of it was not found, `untimed` how many
    connections from our address have no time.
    """
    doubtful = False
    for read in files:
        unread = read.unread
        if unread.example is not None and read.is_doubtful:
            doubtful = True
            yield (
                f"{unread.example.place.file}: {counted(unread.lines, 'line')} that look like a mail server's were not "
                f"understood, {read.understood:,} were: nothing can be concluded from this file; for example "
                f"{_shown(unread.example)}"
            )
        elif asked and missed and unread.naming_us is not None:
            yield f"a line with our address was not understood, and may be what is missing: {_shown(unread.naming_us)}"
    if not doubtful and not counts.of_mail_servers and (counts.lines or asked):
        what = "no line is of a mail server that is understood" if counts.lines else "the log is empty"
        yield f"{what}: {_SERVERS}" if counts.lines else f"{what}: it tells of no visit, and of none that was not there"
    if asked and missed and untimed:
        yield (
            f"{counted(untimed, 'connection')} from our address cannot be matched with a visit: "
            "the lines of this log have no time"
        )


def _shown(example: Example) -> str:
    return f"line {example.place.line}: {example.text}"
