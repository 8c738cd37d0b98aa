"""`smtpsweep lab`: the simulated network, for trials and benchmarks."""

import click

from scanner.cli.values import Count, Rate
from scanner.lab.personality import PROFILES
from scanner.lab.server import LabSettings
from scanner.lab.service import Files, serve


@click.command
@click.option("--port", type=Count(0, 65535), metavar="PORT", default=2525, show_default=True,
              help="Port to listen on; 0: any free port.")  # fmt: skip
@click.option(
    "--bind",
    multiple=True,
    default=("0.0.0.0",),  # noqa: S104 - the server keeps it to the loopback device
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on; may be repeated. 0.0.0.0 is all of 127.0.0.0/8, never a real network.",
)
@click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True,
              help="Mix of host behaviours.")  # fmt: skip
@click.option("--seed", type=Count(0, 2**64 - 1), default=1, show_default=True, help="Choose other hosts.")
@click.option("--silent", type=Rate(1), default="0", show_default=True,
              help="Share of hosts that never speak, 0 to 1.")  # fmt: skip
@click.option("--time-scale", type=Rate(), default="1", show_default=True, help="Multiply every delay by N.")
@click.option("--truth", type=click.Path(dir_okay=False), help="Write what a sweep must find, as JSON Lines.")
@click.option("--truth-for", multiple=True, metavar="CIDR", help="Network that --truth covers; may be repeated.")
@click.option(
    "--statistics",
    type=click.Path(dir_okay=False),
    help="Write counts of connections, clean QUITs and more as JSON, at the end and on SIGUSR1.",
)
@click.option("--overwrite", is_flag=True, help="Replace the files of --truth and --statistics if they exist.")
@click.option("--visits", is_flag=True, help="Count the connections of each address in the statistics.")
@click.option("--in-namespace", is_flag=True, help="Serve any address; only for a network namespace without a way out.")
def lab(  # noqa: PLR0913 - one argument for each option
    *,
    port: int,
    bind: tuple[str, ...],
    profile: str,
    seed: int,
    silent: float,
    time_scale: float,
    truth: str | None,
    truth_for: tuple[str, ...],
    statistics: str | None,
    overwrite: bool,
    visits: bool,
    in_namespace: bool,
) -> None:
    """Simulate a network of SMTP servers on loopback until Ctrl-C.

    Every address in 127.0.0.0/8 is a host. What it says and when, and how it ends the connection, depend only on the
    address, the profile and the seed.
    """
    settings = LabSettings(
        port=port,
        bind=bind,
        profile=profile,
        seed=seed,
        silent=silent,
        time_scale=time_scale,
        in_namespace=in_namespace,
        count_visits=visits,
    )
    serve(settings, Files(statistics=statistics, truth=truth, truth_for=truth_for, overwrite=overwrite))
