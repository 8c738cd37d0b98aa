"""`smtpsweep sweep`: from address ranges to JSON Lines."""

import gc
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from scanner.cli import logging, metrics, options, progress, running, streams
from scanner.cli.codes import ALL_LOCAL, INCOMPLETE
from scanner.cli.commands import Command
from scanner.cli.config import default_notices
from scanner.cli.entry import complain
from scanner.cli.inputs import require_one_reader, sources
from scanner.cli.outputs import make_outputs, shares_terminal
from scanner.cli.sweep_files import SweepFiles, checked_files
from scanner.cli.sweep_request import SweepRequest
from scanner.errors import LocalError, SinkError
from scanner.settings import Settings
from scanner.sweeps.known_names import KnownNames
from scanner.sweeps.pipeline import Sweep
from scanner.sweeps.plan import Plan, derived_seed, make_plan, random_seed, reasons_text, seconds_text
from scanner.sweeps.saved_state import Saved
from scanner.sweeps.summary import Summary
from scanner.targets import parse_exclusions, parse_spec

#: Seconds for what has no bound of its own (books, summary); then the process ends, whatever it waits for.
_SLACK_S = 5.0
#: Reasons that already name a remedy; running the same command again would not help.
_SAYS_SO = ("run it again", "sweep anew", "on their own")


@click.command(cls=Command)
@options.target_options
@options.pace_options
@options.patience_options
@options.identity_options
@options.output_options
def sweep(log_level: str, log_format: str, shard: tuple[int, int], seed: int | None, **given: Any) -> int:
    """Visit TARGETS and write one JSON line for each mail server.

    TARGETS are addresses, CIDR blocks, ranges (192.0.2.1-192.0.2.9, 192.0.2-3.1,5,10-20), globs (192.0.2.*), host
    names, mx:DOMAIN, @FILE, or - for standard input.

    Exit codes: 0 complete, 2 usage or input error, 3 incomplete, 4 only this machine had trouble.
    """
    logging.configure(log_level, log_format)
    request = SweepRequest(**{field.name: given.pop(field.name) for field in fields(SweepRequest)})
    saved = Saved.read(request.state) if request.state is not None else None
    if seed is None and saved is not None:
        seed = saved.identity.seed  # a resumed sweep keeps its order
    settings = Settings(seed=seed or 0, shard=shard[0], shards=shard[1], **given).validated()
    gc.freeze()  # imported modules stay: the collector need not look at them again
    return run_sweep(request, settings, choose_seed=seed is None, known=saved.names if saved is not None else None)


def run_sweep(
    request: SweepRequest, settings: Settings, *, choose_seed: bool = False, known: KnownNames | None = None
) -> int:
    """Plan, sweep, and report to the terminal; return the exit code.

    With `choose_seed` the seed of the settings is replaced: by one derived from the targets for a shard, otherwise by a
    random one. `known` is what names were resolved to when a sweep that is resumed began.

    Raises:
        InputError: if something cannot be used as given; nothing was visited then.
    """
    require_one_reader((*request.targets, *request.exclude))
    # Read before there is an event loop, which would hold back Ctrl-C while standard input blocks.
    targets = parse_spec(sources(request.targets))
    never = parse_exclusions(sources(request.exclude, request.exclude_file))
    notices = default_notices()
    if choose_seed and settings.shards > 1:
        settings = replace(settings, seed=derived_seed(targets, settings))
        notices.append(f"seed {settings.seed} is derived from the targets: the same order for every shard")
    elif choose_seed:
        settings = replace(settings, seed=random_seed())
    planning = make_plan(targets, never, settings, known, strict=settings.strict_names)
    return running.run(_run_sweep(request, planning, notices))


async def _run_sweep(request: SweepRequest, planning: Awaitable[Plan], notices: list[str]) -> int:
    plan = await planning
    if request.plan_only:
        click.echo("\n".join((plan_text(plan), *notices)))
        return 0
    files = checked_files(request, plan.settings.fingerprints)
    outputs = make_outputs(request, plan)
    run = Sweep(plan, outputs.sinks, state=request.state, drain_s=request.drain_s)
    run.notices += notices
    async with metrics.served(run, outputs.remote, request.metrics_address, files.metrics):
        with _stopping(run, request.drain_s):  # a sweep that is stopped while its sinks open has a summary, too
            await run.prepare()
            view = progress.shown(run, outputs, quiet=request.quiet, live=not shares_terminal(request.outputs))
            with streams.hurried(streams.LAST_WORDS_S):
                async with view as said:
                    summary = await run.run()
            return _said(run, summary, request, files, said)


def _said(run: Sweep, summary: Summary, request: SweepRequest, files: SweepFiles, said: progress.ToldNotices) -> int:
    """Write the summary to its file, then to the terminal, which may keep us waiting; return the exit code."""
    written = _summary_written(files, summary)
    if not request.quiet:
        said.skip(run.warned)
        progress.print_summary(summary, said)
    code = _exit_code(run, summary, request.state)
    return code if written else code or INCOMPLETE


def _exit_code(run: Sweep, summary: Summary, state: Path | None) -> int:
    if summary.complete:
        return 0
    complain(f"incomplete: {_with_hint(summary.reason or '', state)}")
    return ALL_LOCAL if isinstance(run.failure, LocalError) else INCOMPLETE


def _with_hint(reason: str, state: Path | None) -> str:
    """Add how to continue, unless the reason says so itself."""
    if state is None or any(said in reason for said in _SAYS_SO):
        return reason
    if reason.endswith("run again"):
        return f"{reason} with --state {state}"
    return f"{reason}; run it again with --state {state} to continue"


def _stopping(run: Sweep, drain_s: float) -> AbstractContextManager[None]:
    """Let the first request end the sweep in good order and within its time, and the second at once."""
    grace_s = run.settings.grace_s

    def stop() -> None:
        run.stop()
        complain(
            f"stopping: up to {grace_s:g} s for open visits, then up to {drain_s:g} s for sinks; "
            "press Ctrl-C again to stop at once"
        )

    return running.requests(stop, run.abort, grace_s + drain_s + _SLACK_S)


def _summary_written(files: SweepFiles, summary: Summary) -> bool:
    try:
        files.write_summary(summary)
    except SinkError as error:
        complain(str(error))
        return False
    return True


def plan_text(plan: Plan) -> str:
    """Describe a plan for people."""
    settings, schedule = plan.settings, plan.schedule()
    at_best, at_worst = plan.duration_s()
    first = ", ".join(
        f"[{target.ip}]:{target.port}" if ":" in target.ip else f"{target.ip}:{target.port}"
        for target in schedule.take(5)
    )
    why = reasons_text(plan.excluded_why)
    lines = {
        "targets": f"{plan.planned:,} planned, {plan.excluded_count:,} of them excluded, {plan.to_visit:,} to visit",
        **({"excluded": f"because: {why}"} if why else {}),
        **({"notice": " ".join(plan.notices)} if plan.notices else {}),
        "shard": f"{settings.shard + 1} of {settings.shards}",
        "ports": ", ".join(map(str, settings.ports)),
        "order": f"seed {settings.seed}: {first} ...",
        "digest": plan.digest,
        "rate": f"{_limit(settings.rate)} in total, {_limit(settings.subnet_rate)} to one /24 (IPv6: /64)",
        "at once": f"{settings.concurrency:,} connection attempts",
        "duration": f"about {seconds_text(at_best)} if hosts answer, up to {seconds_text(at_worst)} if none does",
    }
    return "\n".join(f"{name:<9} {text}" for name, text in lines.items())


def _limit(rate: float) -> str:
    return f"{rate:,.6g} connections per second" if rate else "no limit"
