"""A run on the disk after its sweep: its sinks, how far each is, and its removal.

How far the spool must reach is the highest number in its index, the cursors and the sweep's state. So a spool that was
shortened or damaged is noticed, and each missing number becomes a dead letter.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from scanner.delivery.relay import run as runs
from scanner.delivery.relay.destination import Destination, make_destination
from scanner.delivery.relay.standing import SinkStanding, explained, standing_of
from scanner.delivery.spool import Known, RunFolder, furthest, last_record, read_known
from scanner.errors import InputError, SmtpsweepError


class StoredRun:
    """A run on the disk that no sweep writes any more."""

    def __init__(self, folder: RunFolder, at_least: int = 0) -> None:
        """Read its description and index; `at_least` is how far its spool reached according to the sweep's state.

        Raises:
            InputError: when it is not a run, or cannot be read.
        """
        self.folder = folder
        self._description = folder.description()
        self.run = str(self._description["run"])
        if not self._sinks and not self.is_being_removed:
            raise InputError(f"{folder.path / 'run.json'}: is damaged: the run has no sinks")
        try:
            self.known: Known = read_known(folder, self.run)
            reached = (at_least, furthest(folder.sinks, self.run), last_record(folder, self.run))
        except OSError as error:
            raise InputError(f"{folder.path}: cannot be read ({error.strerror})") from None
        self.known.last = max(self.known.last, *reached)
        if not self.known.last:  # every spool begins with a note: without it, nothing can be verified
            self.known.take({"trouble": "the log holds nothing"})

    @property
    def names(self) -> list[str]:
        """The names of its sinks."""
        return [one["name"] for one in self._sinks]

    @property
    def is_being_removed(self) -> bool:
        """Whether every sink has everything, and its removal was begun and interrupted."""
        return bool(self._description.get("removing"))

    def destination(self, sink: str) -> Destination:
        """Return the sink of this run with a name or URL, or the destination of another URL.

        A URL that is not one of the run's is a new sink: it never gets the name, and so the cursor, of another one.

        Raises:
            InputError: when the run has no sink of that name, or it cannot be used.
        """
        urls = [one["url"] for one in self._sinks]
        if "://" in sink and sink not in urls:
            return make_destination(sink, hashlib.sha256(sink.encode()).hexdigest()[:12], is_unique=True)
        if sink not in (*self.names, *urls):
            raise InputError(f"--sink {sink!a}: is not a sink of this run: it has {', '.join(self.names)}; or a URL")
        number = urls.index(sink) if sink in urls else self.names.index(sink)
        return make_destination(urls[number], number + 1)

    def standing(self, destination: Destination, trouble: str | None = None) -> SinkStanding:
        """Return how far a destination is."""
        sink = {"name": destination.name, "shown": destination.shown, "policy": destination.policy.value}
        return standing_of(self.folder, self.run, sink, self.known, trouble)

    def standings(self) -> list[SinkStanding]:
        """Return how far every sink of the run is."""
        return [standing_of(self.folder, self.run, sink, self.known) for sink in self._sinks]

    def explained(self, standings: list[SinkStanding], others: Iterable[Destination] = ()) -> str:
        """Return one line about what sinks lack, "" when nothing; `others` are served and not sinks of the run."""
        urls = {one.name: one.redaction.clean(one.url) for one in others}
        return explained(standings, self.folder, self.known, urls)

    def discard(self) -> str:
        """Remove the records of a run whose sinks have everything; return what was done, for people.

        While the state file of the sweep exists, the sweep can be resumed and needs to find the run.
        """
        state, path = self._description.get("state"), self.folder.path
        try:
            if state is not None and Path(state).exists():
                runs.strip(self.folder, self.run, self.known.last)
                return (
                    f"every sink has everything: the records are removed from {path}, which stays for --state {state}"
                )
            left = runs.remove(self.folder)
        except SmtpsweepError as error:
            return f"every sink has everything, but the log of the run stays: {error}"
        return f"every sink has everything: the log of the run is removed{f', but not {left[0]!a}' if left else ''}"

    @property
    def _sinks(self) -> list[dict[str, str]]:
        sinks: list[dict[str, str]] = self._description["sinks"]
        return sinks


def state_of(folder: RunFolder) -> tuple[str, Path | None]:
    """Return the id of a run, and the state file of its sweep, None when it had none.

    Raises:
        InputError: when the folder is not that of a run.
    """
    description = folder.description()
    state = description.get("state")
    return str(description["run"]), None if state is None else Path(state)
