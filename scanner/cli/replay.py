"""`smtpsweep replay`: deliver the records of a finished sweep from its spool."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from scanner.cli import logging, running, streams
from scanner.cli.codes import INCOMPLETE
from scanner.cli.entry import complain
from scanner.cli.options import log_level_option
from scanner.cli.values import Count, Duration, Seconds
from scanner.delivery.relay.alarms import Alarms
from scanner.delivery.relay.destination import Destination
from scanner.delivery.relay.replay import Replayed, replay_dead_letters
from scanner.delivery.relay.replay import replay as deliver
from scanner.delivery.relay.run import remove
from scanner.delivery.relay.standing import SinkStanding
from scanner.delivery.relay.statistics import RelayStatistics
from scanner.delivery.relay.stored_run import StoredRun, state_of
from scanner.delivery.spool import Known, RunFolder
from scanner.errors import InputError, SmtpsweepError
from scanner.sweeps.saved_state import Saved

#: Seconds between two lines of progress.
_SAY_EVERY_S = 10.0


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--sink", "sinks", multiple=True, metavar="NAME|URL",
              help="Sink of the run, or another one; may be repeated (default: all that lack records).")  # fmt: skip
@click.option("--from", "first", type=Count(1),
              help="Start at record N (default: the first that is not acknowledged).")  # fmt: skip
@click.option("--dead-letters", is_flag=True, help="Send only the records that the sink refused, once more.")
@click.option("--keep-run", is_flag=True, help="Keep the spool even when every sink of the run has all records.")
@click.option("--drain", "patience_s", type=Duration(), default=Seconds(60.0), show_default=True,
              help="Give up after this long without an acknowledgement.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Show no progress, and print nothing if all is well.")
@log_level_option
def replay(
    run: Path,
    sinks: tuple[str, ...],
    first: int | None,
    patience_s: float,
    log_level: str,
    *,
    dead_letters: bool,
    keep_run: bool,
    quiet: bool,
) -> int:
    """Deliver the records of RUN, the folder of a sweep's spool, to its sinks.

    The spool is removed when every sink of the run has all records. If a URL is not a sink of the run, its records are
    delivered, too, and the spool is kept.

    Exit codes: 0 everything is delivered, 2 usage or input error, 3 some records are not: waiting, refused, or no
    longer in the spool.
    """
    logging.configure(log_level)
    if dead_letters and first is not None:
        raise InputError("--from and --dead-letters contradict each other: use one of them")
    if first is not None and not sinks:
        raise InputError("--from needs --sink: it sends every record from there on again")
    folder = RunFolder(run)
    stored = StoredRun(folder, _known_to_the_state(folder))
    if stored.is_being_removed:
        remove(folder)
        return 0
    chosen = [stored.destination(sink) for sink in sinks or _lacking(stored, dead_letters=dead_letters)]
    for destination in chosen:
        destination.redaction.guard_logs()
    standings: list[SinkStanding] = []
    is_failed = False
    for destination in chosen:
        try:
            standings.append(_serve(stored, destination, first, patience_s, dead_letters=dead_letters, quiet=quiet))
        except SmtpsweepError as error:
            if len(chosen) == 1:
                raise
            complain(f"sink {destination.name}: {error}; the other sinks are still served")
            is_failed = True
    code = _end(stored, chosen, standings, keep_run=keep_run or is_failed, quiet=quiet)
    return INCOMPLETE if is_failed else code


def _serve(
    stored: StoredRun,
    destination: Destination,
    first: int | None,
    patience_s: float,
    *,
    dead_letters: bool,
    quiet: bool,
) -> SinkStanding:
    progress = _Progress(stored.known, quiet=quiet)
    if dead_letters:
        done = running.run(replay_dead_letters(stored, destination, patience_s=patience_s))
    else:
        done = running.run(deliver(stored, destination, first=first, patience_s=patience_s, on_progress=progress.say))
    if not quiet:
        streams.say(_result(destination.name, done))
    return stored.standing(destination, done.trouble or ("only its dead letters were sent" if dead_letters else None))


def _end(
    stored: StoredRun, served: Sequence[Destination], standings: list[SinkStanding], *, keep_run: bool, quiet: bool
) -> int:
    """Report what is not delivered, if anything; remove the spool when no sink needs it any more.

    It stays when all records went to sinks that are not the run's: nobody asked for its removal then.
    """
    others = [one for one in served if one.name not in stored.names]
    left = stored.explained(standings or stored.standings(), others)
    if left:
        complain(f"incomplete: {left}")
        return INCOMPLETE
    if served and len(others) == len(served):
        keep_run = True
    if not keep_run and not stored.explained(stored.standings()):
        done = stored.discard()
        if not quiet:
            streams.say(done)
    return 0


def _lacking(stored: StoredRun, *, dead_letters: bool) -> list[str]:
    """Return the sinks that lack records: those waiting, or with `dead_letters` those refused."""
    return [one.name for one in stored.standings() if (one.dead if dead_letters else one.waiting)]


def _known_to_the_state(folder: RunFolder) -> int:
    """Return how far the spool reached according to the sweep's state file; 0 when that does not tell."""
    run, state = state_of(folder)
    try:
        saved = Saved.read(state) if state is not None else None
    except SmtpsweepError as error:
        complain(f"{error}; the spool is read without it")
        return 0
    positions = saved.last_positions().values() if saved is not None else ()
    reached = (one.get("sequence") for one in positions if isinstance(one, dict) and one.get("run") == run)
    return max((number for number in reached if isinstance(number, int)), default=0)


class _Progress:
    """Prints a line every ten seconds, and one when records are refused."""

    def __init__(self, known: Known, *, quiet: bool) -> None:
        self._known = known
        self._next = time.monotonic() + (_SAY_EVERY_S if not quiet else float("inf"))
        self._alarms = Alarms(complain)

    def say(self, now: RelayStatistics) -> None:
        at = time.monotonic()
        self._alarms.check({"name": now.name, "dead": now.dead, "skipped": now.skipped, "reason": now.reason}, at)
        if at >= self._next:
            self._next += _SAY_EVERY_S
            trouble = f", {now.trouble}" if now.trouble else ""
            done, known = self._known.records(0, now.sequence), self._known.records(0, now.last)
            streams.say(f"{now.name}: {done:,} of {known:,} records{trouble}")


def _result(name: str, done: Replayed) -> str:
    parts = [f"{name}: {done.delivered:,} delivered"]
    if done.dead:
        parts.append(f"{done.dead:,} not delivered (dead letters)")
    if done.left:
        parts.append(f"{done.left:,} left ({done.trouble or 'no answer in time'})")
    return ", ".join(parts)
