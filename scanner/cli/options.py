"""The options that commands share, in groups. Every default comes from `Settings`."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from scanner.cli import logging
from scanner.cli.commands import complete_files, group, options
from scanner.cli.config import leave_out_config, read_config, with_configured
from scanner.cli.values import (
    Count,
    Duration,
    Endpoint,
    FileName,
    Ports,
    Rate,
    Seconds,
    Seed,
    Shard,
    Size,
    joined_ports,
)
from scanner.settings import MAX_SAMPLES, Probe, RefusalAction, Settings

_DEFAULTS = Settings()


def _with_if_exists(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn the two flags into one argument, `if_exists`; the command line wins over the configuration file."""

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
                 help="Never visit this target (`none` excludes nothing); may be repeated."),
    click.option("--exclude-file", multiple=True, type=_FILE, callback=with_configured,
                 help="Never visit the targets in this file; may be repeated."),
    click.option("-p", "--port", "ports", multiple=True, type=Ports(), default=(25,), show_default=True,
                 metavar="PORT[,PORT...]", callback=joined_ports, help="Ports to visit; may be repeated."),
    click.option("--shard", type=Shard(), default=(0, 1), metavar="K/N",
                 help="Visit part K of N of the targets, split by network (/24, IPv6 /64)."),
    click.option("--samples", type=Count(1, MAX_SAMPLES), default=_DEFAULTS.samples, show_default=True,
                 help="Visit every target N times, in N rounds over all targets, to reveal server pools."),
    click.option("--seed", type=Seed(),
                 help="Order of the targets, 0 to 2^53-1 (default: random; with --shard, derived from the targets)."),
    click.option("--strict-names", is_flag=True,
                 help="Visit nothing if a name cannot be resolved (default: visit the rest and exit with 3)."),
    click.option("--confirm-large", is_flag=True,
                 help="Confirm that you are responsible for more than 2^24 addresses."),
)  # fmt: skip
pace_options = group(
    "Pace",
    click.option("--rate", type=Rate(), default=f"{_DEFAULTS.rate:g}", show_default=True,
                 help="Start at most N connections per second; 0: no limit."),
    click.option("--subnet-rate", type=Rate(), default=f"{_DEFAULTS.subnet_rate:g}", show_default=True,
                 help="Start at most N connections per second in one /24 or IPv6 /64; 0: no limit."),
    click.option("--concurrency", type=Count(1), default=_DEFAULTS.concurrency, show_default=True,
                 help="Have at most N connection attempts in progress."),
    click.option("--refusal-limit", type=Count(0), default=_DEFAULTS.refusal_limit, show_default=True,
                 help="Apply --refusal-action after N refusals of our address in one /24 (IPv6: /64), if they are "
                      "at least half of its recent answers; 0: never."),
    click.option("--refusal-action", type=click.Choice([action.value for action in RefusalAction]),
                 default=_DEFAULTS.refusal_action.value, show_default=True,
                 callback=lambda _ctx, _param, value: RefusalAction(value),
                 help="slow: go on at a tenth of --subnet-rate (if that is 0, of its default) until the refusals "
                      "stop. stop: skip the rest of the network and exit with 3."),
    click.option("--route-patience", "route_patience_s", type=Duration(), default=Seconds(_DEFAULTS.route_patience_s),
                 show_default=True,
                 help="At the end, wait this long for a route to targets that this machine cannot reach."),
)  # fmt: skip
waiting_options = group(
    "Connection",
    click.option("--connect-timeout", "connect_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.connect_timeout_s), show_default=True,
                 help="Time limit for making the connection."),
    click.option("--greeting-timeout", "greeting_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.greeting_timeout_s), show_default=True,
                 help="Time limit for the first byte of the greeting."),
    click.option("--idle-timeout", "idle_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.idle_timeout_s), show_default=True,
                 help="Time limit between two parts of a greeting."),
    click.option("--total-timeout", "total_timeout_s", type=Duration(), default=Seconds(_DEFAULTS.total_timeout_s),
                 show_default=True, help="Time limit for one host in total."),
    click.option("--retries", type=Count(0), default=_DEFAULTS.retries, show_default=True,
                 help="Retry up to N times after a connect timeout or a reset, later in the sweep."),
    click.option("--retry-delay", "retry_delay_s", type=Duration(), default=Seconds(_DEFAULTS.retry_delay_s),
                 show_default=True, help="Wait at least this long before a retry."),
)  # fmt: skip
dialogue_options = group(
    "Dialogue",
    click.option("--ehlo-name", metavar="NAME",
                 help="Name to send in EHLO (default: this machine's name, or its address)."),
    click.option("--dialogue-timeout", "dialogue_timeout_s", type=Duration(),
                 default=Seconds(_DEFAULTS.dialogue_timeout_s), show_default=True,
                 help="Time limit for the reply to one command of a dialogue."),
    click.option("--dialogue-concurrency", type=Count(1), default=_DEFAULTS.dialogue_concurrency,
                 show_default=True, help="Have at most N dialogues in progress."),
    group("Connection", click.option("--source-address", metavar="ADDRESS",
                                     help="Connect from this address of this machine.")),
)  # fmt: skip
visit_options = group(
    "Dialogue",
    waiting_options,
    click.option("--passive", is_flag=True, help="Send nothing at all, not even QUIT."),
    click.option("--probe", type=click.Choice([probe.value for probe in Probe]), default=_DEFAULTS.probe.value,
                 show_default=True, callback=lambda _ctx, _param, value: Probe(value),
                 help="greeting: send only QUIT. dialogue: send EHLO, HELP, STARTTLS (and read the certificate), "
                      "QUIT. behaviour: the same, and one verb that does not exist."),
    dialogue_options,
)  # fmt: skip
patience_options = group(
    "Interruption",
    visit_options,
    click.option("--grace", "grace_s", type=Duration(), default=Seconds(_DEFAULTS.grace_s), show_default=True,
                 help="After Ctrl-C (or TERM, HUP), wait this long for hosts in progress."),
)  # fmt: skip
identity_options = group(
    "Identification",
    click.option("--fingerprints", metavar="recog:FOLDER",
                 help="Use your Recog database for greetings that the built-in rules do not know."),
)  # fmt: skip
log_level_option = click.option(
    "--log-level", type=click.Choice(logging.LEVELS), default="warning", show_default=True,
    help="Log messages of this level and above to standard error.",
)  # fmt: skip
output_options = options(
    group(
        "Output",
        click.option("-o", "--output", "outputs", multiple=True, metavar="WHERE", shell_complete=complete_files,
                     help="Write records to a path (.gz, .zst: compressed), - or a URL; may be repeated "
                          "(default: -, standard output)."),
        click.option("--all", "all_statuses", is_flag=True,
                     help="Also write records of hosts that refused, were unreachable or timed out."),
        click.option("--append", is_flag=True, help="Append to an output file that exists."),
        click.option("--overwrite", is_flag=True, help="Replace files that exist: outputs, --summary, --metrics-file."),
        click.option("--rotate-size", type=Size(), metavar="SIZE", help="Start a new output file at this size."),
        click.option("--summary", "summary_file", type=_FILE,
                     help="Write the summary as JSON, readable by its owner only."),
        click.option("--plan", "plan_only", is_flag=True, help="Print what would be done; send nothing."),
    ),
    group(
        "Identification",
        click.option("--dns", is_flag=True,
                     help="Look up whether each server's names match: greeting, address, certificate."),
    ),
    group(
        "Remote sinks",
        click.option("--run", "run_folder", type=_FOLDER, metavar="FOLDER",
                     help="Keep the spool for remote sinks in this folder "
                          "(default: beside --state, or here, named by the time)."),
        click.option("--keep-run", is_flag=True,
                     help="Keep the spool even when every remote sink has all records (default: remove it)."),
        click.option("--spool-limit", type=Size(), default="10GiB", show_default=True, metavar="SIZE",
                     help="Let the spool grow to this size, then make the sweep wait for its sinks."),
        click.option("--drain", "drain_s", type=Duration(), default=Seconds(30.0), show_default=True,
                     help="At the end, wait this long without an acknowledgement from remote sinks; after Ctrl-C "
                          "and --grace, wait this long in total for all sinks."),
    ),
    group(
        "Interruption",
        click.option("--state", type=_FILE, help="Checkpoint file; if it exists, the sweep is resumed."),
    ),
    group(
        "Messages and metrics",
        click.option("-q", "--quiet", is_flag=True, help="Show no progress and no summary."),
        log_level_option,
        click.option("--log-format", type=click.Choice(logging.FORMATS), default="console", show_default=True,
                     help="Format of log messages."),
        click.option("--metrics", "metrics_address", type=Endpoint(), metavar="ADDRESS:PORT",
                     help="Serve Prometheus metrics here while the sweep runs."),
        click.option("--metrics-file", type=_FILE,
                     help="Keep metrics in this file (mode 0644) for the node exporter."),
    ),
    click.option("--config", type=_FILE, is_eager=True, expose_value=False, callback=read_config,
                 help="Read options from this TOML file "
                      "(default: $XDG_CONFIG_HOME/smtpsweep/config.toml, if it exists)."),
    click.option("--no-config", is_flag=True, is_eager=True, expose_value=False, callback=leave_out_config,
                 help="Read no configuration file, not even the default one."),
    _with_if_exists,
)  # fmt: skip
