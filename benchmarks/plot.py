"""Draw `docs/performance.svg` from the stored results: what a host costs with each client, as a multiple of the floor.

A dot is the median of the pairs, the line through it reaches from the smallest to the largest. The axis is
logarithmic, so that equal distances are equal ratios. Blue and grey tell the project from the others for every kind
of colour vision, and each dot carries its number. The same results always give the same file.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.measure import UnavailableError
from benchmarks.report import DOCS, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

PICTURE = DOCS / "performance.svg"
_BLUE, _GREY, _INK = "#0072B2", "#6E6E6E", "#222222"
_TICKS = (1, 2, 4, 8, 16, 32, 64)


class Client(NamedTuple):
    """One line of the picture: a client's ratios to the floor, pair by pair, and its median CPU a host."""

    name: str
    ratios: list[float]
    microseconds: float


def draw(path: Path = PICTURE) -> None:
    """Draw the picture; nothing happens while there is no throughput result.

    Raises:
        UnavailableError: without matplotlib.
    """
    results = stored().get("throughput")
    if results is None:
        return
    try:
        import matplotlib as mpl  # noqa: PLC0415 - large, and must not be in memory while programs are measured

        mpl.use("svg")
        from matplotlib import pyplot as plt  # noqa: PLC0415 - as above
    except ImportError:
        raise UnavailableError("the plot needs matplotlib: pip install 'smtpsweep[bench]'") from None
    mpl.rcParams.update({"svg.hashsalt": "smtpsweep", "svg.fonttype": "none", "font.family": "sans-serif"})
    clients = _clients(results)
    figure, axes = plt.subplots(figsize=(8.5, 0.46 * len(clients) + 1.5), layout="constrained")
    for height, client in enumerate(clients):
        _dot(axes, height, client)
    _dress(axes, clients)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _dot(axes: Axes, height: int, client: Client) -> None:
    """Draw one client: its line, its dot and its number."""
    colour = _BLUE if client.name.startswith("smtpsweep") else _GREY
    low, median, high = min(client.ratios), statistics.median(client.ratios), max(client.ratios)
    axes.plot([low, high], [height, height], color=colour, linewidth=2, alpha=0.6)
    axes.plot([median], [height], "o", color=colour, markersize=8)
    label = f"{median:.2f} x   ({client.microseconds:,.0f} us)"
    axes.annotate(label, (high, height), (10, 0), textcoords="offset points", va="center", color=_INK)


def _dress(axes: Axes, clients: Sequence[Client]) -> None:
    """Draw everything that is no data: scales, names, the line of the floor, words."""
    highest = max(max(client.ratios) for client in clients)
    ticks = [tick for tick in _TICKS if tick <= highest * 1.5]
    axes.set_yticks(range(len(clients)), [client.name for client in clients])
    axes.axvline(1, color=_GREY, linestyle="--", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.8, highest * 2.6)
    axes.set_xticks(ticks, [f"{tick} x" for tick in ticks])
    axes.minorticks_off()
    axes.grid(visible=True, axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("client CPU a host, as a multiple of the C floor (logarithmic)")
    axes.set_title("What a host costs: median of the pairs, smallest to largest", loc="left", fontsize=11, color=_INK)


def _clients(results: dict[str, Any]) -> list[Client]:
    """Return the clients of a throughput result, the dearest first: it is drawn at the bottom."""
    figures = results["figures"].items()
    clients = [Client(name, one["of_floor"], statistics.median(one["client_us"])) for name, one in figures]
    return sorted(clients, key=lambda client: -statistics.median(client.ratios))
