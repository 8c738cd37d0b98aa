"""The options that commands share, in groups. Every default is the one of `Settings`."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from scanner.cli import logging
from scanner.cli.commands import complete_files, group, options
from scanner.cli.config import leave_out_config, read_config, with_configured
from scanner.cli.values import Duration, Endpoint, FileName, Ports, Seconds, Seed, Shard, Size, joined_ports
from scanner.settings import MAX_SAMPLES, Probe, RefusalAction, Settings

_DEFAULTS = Settings()


def _with_if_exists(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make one answer, `if_exists`, of the two flags; what is said on the command line wins over the file."""

    @wraps(function)
    def called(*, append: bool, overwrite: bool, **given: Any) -> Any:
        if append and overwrite:
            source = click.get_current_context().get_parameter_source
            if source("append") is source("overwrite"):
                raise click.UsageError("--append and --overwrite contradict each other: use one of them")
            append = source("append") is ParameterSource.COMMANDLINE
        return function(if_exists="append" if append else "overwrite" if overwrite else None, **given)

    return called


_FILE = FileName()
_FOLDER = click.Path(file_okay=False, path_type=Path)

target_options = group(
    "Targets",
    click.argument("targets", nargs=-1),
    click.option("-x", "--exclude", multiple=True, metavar="TARGET", callback=with_configured,
                 help="Never visit these; same forms as targets, one each (`none`: nothing)."),
    click.option("--exclude-file", multiple=True, type=_FILE, callback=with_configured, help="The same, from a file."),
    click.option("-p", "--port", "ports", multiple=True, type=Ports(), default=(25,), show_default=True,
                 metavar="PORT[,PORT...]", callback=joined_ports, help="Which ports to visit; may be repeated."),
    click.option("--shard", type=Shard(), default=(0, 1), metavar="K/N",
                 help="Visit part K of N of the targets: whole networks (/24, IPv6 /64)."),
    click.option("--samples", type=click.IntRange(1, MAX_SAMPLES), default=_DEFAULTS.samples, show_default=True,
                 help="Visit every target this many times, each time after all others. Reveals pools of servers."),
    click.option("--seed", type=Seed(),
                 help="Fix the order of the targets, below 2^53 (default: random; with --shard, from the targets)."),
    click.option("--strict-names", is_flag=True,
                 help="Visit nobody when a name cannot be resolved (default: all others; the exit code is then 3)."),
    click.option("--confirm-large", is_flag=True, help="Yes, I am responsible for more than 2^24 addresses."),
)  # fmt: skip
pace_options = group(
    "Pace",
    click.option("--rate", type=click.FloatRange(0), default=_DEFAULTS.rate, show_default=True,
                 help="Connections started a second; 0: no limit."),
    click.option("--subnet-rate", type=click.FloatRange(0), default=_DEFAULTS.subnet_rate, show_default=True,
                 help="The same towards one /24 or IPv6 /64; 0: no limit."),
    click.option("--concurrency", type=click.IntRange(1), default=_DEFAULTS.concurrency, show_default=True,
                 help="Connection attempts under way at the same time."),
    click.option("--refusal-limit", type=click.IntRange(0), default=_DEFAULTS.refusal_limit, show_default=True,
                 help="After so many refusals of our address in one /24 (IPv6: /64), when they are at least half of "
                      "its recent answers, treat it with care; 0: never."),
    click.option("--refusal-action", type=click.Choice([action.value for action in RefusalAction]),
                 default=_DEFAULTS.refusal_action.value, show_default=True,
                 callback=lambda _ctx, _param, value: RefusalAction(value),
                 help="slow: visit it at a tenth of --subnet-rate (with 0: of its default) until the refusals stop. "
                      "stop: do not visit the rest of it; the exit code is 3."),
    click.option("--route-patience", "route_patience_s", type=Duration(), default=Seconds(_DEFAULTS.route_patience_s),
                 show_default=True,
                 help="At the end: how long to wait for a route to targets that this machine cannot reach."),
)  # fmt: skip
waiting_options = group(
    "Connection",
    click.option("--connect-timeout", "connect_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.connect_timeout_s), show_default=True, help="Until the connection is made."),
    click.option("--greeting-timeout", "greeting_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.greeting_timeout_s), show_default=True,
                 help="Until the first byte of the greeting."),
    click.option("--idle-timeout", "idle_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.idle_timeout_s), show_default=True, help="Between two parts of a greeting."),
    click.option("--total-timeout", "total_timeout_s", type=Duration(), default=Seconds(_DEFAULTS.total_timeout_s),
                 show_default=True, help="For one host in all."),
    click.option("--retries", type=click.IntRange(0), default=_DEFAULTS.retries, show_default=True,
                 help="Further tries after a connect time-out or a reset, later in the sweep."),
    click.option("--retry-delay", "retry_delay_s", type=Duration(), default=Seconds(_DEFAULTS.retry_delay_s),
                 show_default=True, help="How much later."),
)  # fmt: skip
dialogue_options = group(
    "Dialogue",
    click.option("--ehlo-name", metavar="NAME", help="Our name in EHLO (default: this machine's, or its address)."),
    click.option("--dialogue-timeout", "dialogue_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.dialogue_timeout_s), show_default=True,
                 help="For the reply to one command of a dialogue."),
    click.option("--dialogue-concurrency", type=click.IntRange(1), default=_DEFAULTS.dialogue_concurrency,
                 show_default=True, help="Dialogues at the same time."),
    group("Connection", click.option("--source-address", metavar="ADDRESS",
                                     help="Connect from this address of this machine.")),
)  # fmt: skip
visit_options = group(
    "Dialogue",
    waiting_options,
    click.option("--passive", is_flag=True, help="Send nothing at all, not even QUIT."),
    click.option("--probe", type=click.Choice([probe.value for probe in Probe]), default=_DEFAULTS.probe.value,
                 show_default=True, callback=lambda _ctx, _param, value: Probe(value),
                 help="greeting: only QUIT is sent. dialogue: EHLO, HELP, STARTTLS with certificate, QUIT. "
                      "behaviour: the same and one verb that does not exist."),
    dialogue_options,
)  # fmt: skip
patience_options = group(
    "Interruption",
    visit_options,
    click.option("--grace", "grace_s", type=Duration(), default=Seconds(_DEFAULTS.grace_s), show_default=True,
                 help="After Ctrl-C (or TERM, HUP): for the hosts under way."),
)  # fmt: skip
identity_options = group(
    "Identification",
    click.option("--fingerprints", metavar="recog:FOLDER",
                 help="Ask a Recog database of yours about greetings that our rules do not know."),
)  # fmt: skip
output_options = options(
    group(
        "Output",
        click.option("-o", "--output", "outputs", multiple=True, metavar="WHERE", shell_complete=complete_files,
                     help="A path (.gz, .zst: compressed), '-', or a URL; may be repeated. Default: standard output."),
        click.option("--all", "all_statuses", is_flag=True,
                     help="Records of refused, unreachable, timed out ones, too."),
        click.option("--append", is_flag=True, help="Add to an output file that exists."),
        click.option("--overwrite", is_flag=True, help="Replace files that exist: outputs, --summary, --metrics-file."),
        click.option("--rotate-size", type=Size(), metavar="SIZE", help="Start a new output file at this size."),
        click.option("--summary", "summary_file", type=_FILE, help="Write the summary as JSON, for its owner only."),
        click.option("--plan", "plan_only", is_flag=True, help="Say what would be done; send nothing."),
    ),
    group(
        "Identification",
        click.option("--dns", is_flag=True,
                     help="Look up whether each server's names fit together: greeting, address, certificate."),
    ),
    group(
        "Remote sinks",
        click.option("--run", "run_folder", type=_FOLDER, metavar="FOLDER",
                     help="Where the log for remote sinks is kept "
                          "(default: beside --state, or here, named by the time)."),
        click.option("--keep-run", is_flag=True,
                     help="Keep that log when every remote sink has everything (default: it is removed then)."),
        click.option("--spool-limit", type=Size(), default="10GiB", show_default=True, metavar="SIZE",
                     help="How large that log may grow; then the sweep waits for its sinks."),
        click.option("--drain", "drain_s", type=Duration(), default=Seconds(30.0), show_default=True,
                     help="At the end: how long to wait for remote sinks that acknowledge nothing. After Ctrl-C and "
                          "--grace: how long to wait for all that sinks still lack."),
    ),
    group(
        "Interruption",
        click.option("--state", type=_FILE, help="Checkpoint; an existing one is resumed."),
    ),
    group(
        "Messages and metrics",
        click.option("-q", "--quiet", is_flag=True, help="No progress, no summary on the terminal."),
        click.option("--log-level", type=click.Choice(logging.LEVELS), default="warning", show_default=True),
        click.option("--log-format", type=click.Choice(logging.FORMATS), default="console", show_default=True),
        click.option("--metrics", "metrics_address", type=Endpoint(), metavar="ADDRESS:PORT",
                     help="Serve metrics for Prometheus here while the sweep runs."),
        click.option("--metrics-file", type=_FILE, help="Keep them in this file (0644), for the node exporter."),
    ),
    click.option("--config", type=_FILE, is_eager=True, expose_value=False, callback=read_config,
                 help="Options as a TOML file (default: $XDG_CONFIG_HOME/smtpsweep/config.toml, when it is there)."),
    click.option("--no-config", is_flag=True, is_eager=True, expose_value=False, callback=leave_out_config,
                 help="Read no configuration file, not even the default one."),
    _with_if_exists,
)  # fmt: skip
