"""`smtpsweep replay`: a run's records delivered after the sweep."""

import time
from pathlib import Path

import click

from scanner.cli import logging, running, streams
from scanner.cli.entry import INCOMPLETE
from scanner.cli.values import Duration
from scanner.errors import InputError
from scanner.relay.relay import RelayStatistics
from scanner.relay.replay import Replayed, find_destination, replay_dead_letters
from scanner.relay.replay import replay as deliver
from scanner.runlog import RunFolder

#: Seconds between two lines of progress.
_SAY_EVERY_S = 10.0


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option("--sink", required=True, metavar="NAME|URL", help="A sink of the run, or another one.")
@click.option("--from", "first", type=click.IntRange(1), metavar="NUMBER",
              help="Begin with this record (default: with the first that is not acknowledged).")  # fmt: skip
@click.option("--dead-letters", is_flag=True, help="Send what the sink refused once more, and nothing else.")
@click.option("--drain", "patience_s", type=Duration(), default=60.0, show_default=True,
              help="Give up after so long without an acknowledgement.")  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--log-level", type=click.Choice(logging.LEVELS), default="warning", show_default=True)
def replay(
    run: Path, sink: str, first: int | None, patience_s: float, log_level: str, *, dead_letters: bool, quiet: bool
) -> int:
    """Deliver the records of RUN (the folder of a sweep's log) to one of its sinks.

    Exit codes: 0 everything is delivered, 2 usage or input error, 3 something is left (it stays in the log).
    """
    logging.configure(log_level)
    if dead_letters and first is not None:
        raise InputError("--from and --dead-letters exclude each other")
    folder = RunFolder(run)
    destination = find_destination(folder, sink)
    if dead_letters:
        done = running.run(replay_dead_letters(folder, destination, patience_s=patience_s))
    else:
        progress = _Progress(quiet=quiet)
        done = running.run(deliver(folder, destination, first=first, patience_s=patience_s, on_progress=progress.say))
    if not quiet:
        streams.say(_result(destination.name, done))
    return INCOMPLETE if done.left else 0


class _Progress:
    """A line now and then."""

    def __init__(self, *, quiet: bool) -> None:
        self._next = time.monotonic() + (_SAY_EVERY_S if not quiet else float("inf"))

    def say(self, now: RelayStatistics) -> None:
        if time.monotonic() >= self._next:
            self._next += _SAY_EVERY_S
            trouble = f", {now.trouble}" if now.trouble else ""
            streams.say(f"{now.sequence:,} of {now.last:,} records{trouble}")


def _result(name: str, done: Replayed) -> str:
    parts = [f"{name}: {done.delivered:,} delivered"]
    if done.dead:
        parts.append(f"{done.dead:,} refused for good (dead letters)")
    if done.left:
        parts.append(f"{done.left:,} left ({done.trouble or 'no answer in time'})")
    return ", ".join(parts)
