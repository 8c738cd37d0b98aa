"""`smtpsweep lab`: the simulated network, for trying and benchmarking."""

import click

from scanner.lab.personality import PROFILES
from scanner.lab.server import LabSettings
from scanner.lab.service import Files, serve


@click.command
@click.option("--port", type=click.IntRange(0, 65535), default=2525, show_default=True, help="0: any free port.")
@click.option(
    "--bind",
    multiple=True,
    default=("0.0.0.0",),  # noqa: S104 - the server keeps it to the loopback device
    show_default=True,
    help="Address to listen on; may be repeated. 0.0.0.0 is all of 127.0.0.0/8, never the real network.",
)
@click.option("--profile", type=click.Choice(PROFILES), default="mixed", show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Other hosts.")
@click.option("--silent", type=click.FloatRange(0, 1), default=0.0, help="Share of hosts that never speak.")
@click.option("--time-scale", type=click.FloatRange(0), default=1.0, help="Multiply every delay.  [default: 1]")
@click.option("--truth", type=click.Path(dir_okay=False), help="Write what must be found, as JSON Lines.")
@click.option("--truth-for", multiple=True, metavar="CIDR", help="Networks that --truth tells about.")
@click.option(
    "--statistics",
    type=click.Path(dir_okay=False),
    help="Write counts of connections, clean QUITs, early talkers ... as JSON, at the end and on SIGUSR1.",
)
@click.option("--overwrite", is_flag=True, help="Replace the files of --truth and --statistics when they exist.")
@click.option("--visits", is_flag=True, help="Count the connections of each address in the statistics.")
@click.option("--in-namespace", is_flag=True, help="Serve any address: this is a network namespace with no way out.")
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

    Every address of 127.0.0.0/8 is a host. What it says, when, and how it ends depend on the address, the profile
    and the seed alone.
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
