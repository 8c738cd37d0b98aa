"""The types of option values: their units, their limits, and the message for a value that does not fit."""

import re
from ipaddress import ip_address
from math import inf
from pathlib import Path
from typing import Any

import click

from scanner.settings import SEED_LIMIT

_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_PORT = re.compile(r"\s*[0-9]{1,5}\s*", re.ASCII)
#: As many as there are; a longer list repeats one.
_MOST_PORTS = 65535


class Seconds(float):
    """Seconds that `--help` shows with their unit when they are an option's default."""

    def __str__(self) -> str:
        return f"{float(self):g}s"


class Duration(click.ParamType[float]):
    """Seconds, as `4`, `0.5`, `500ms`, `2m` or `1h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return float(value)  # a default; a plain number, since the state and the summary hold it as JSON
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a duration: write seconds (4, 0.5) or a unit (500ms, 2m, 1h)", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


class Count(click.ParamType[int]):
    """A whole number within limits."""

    name = "n"

    def __init__(self, least: int, most: int | None = None) -> None:
        """Accept `least` to `most`, both included."""
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        wanted = f"{self._least} or more" if self._most is None else f"{self._least} to {self._most}"
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number: write {wanted}", param, ctx)
        if number < self._least or (self._most is not None and number > self._most):
            self.fail(f"{number} is out of range: write {wanted}", param, ctx)
        return number


class Rate(click.ParamType[float]):
    """A number that is not negative, with or without a fraction."""

    name = "n"

    def __init__(self, most: float = inf) -> None:
        """Accept 0 to `most`."""
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        wanted = "0 or more" if self._most == inf else f"0 to {self._most:g}"
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number: write {wanted}", param, ctx)
        if number < 0 or number > self._most:
            self.fail(f"{number:g} is out of range: write {wanted}", param, ctx)
        return number


class FileName(click.Path):
    """The name of a file. `-` is refused: elsewhere it means standard input or output, here it would be a file."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if str(value).strip() in ("", "-"):
            self.fail(f"{str(value)!r} is not a file name here (a file of that name is ./{value})", param, ctx)
        return super().convert(value, param, ctx)


class Size(click.ParamType[int]):
    """Bytes, as `100MB`, `64KiB` or a number."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes, 1 or more."""
        match = re.fullmatch(r"([0-9]{1,15})\s*([A-Z]*)", str(value).strip().upper())
        if match is None or match[2] not in _BYTES or not int(match[1]):
            self.fail(f"{value!r} is not a size: write bytes (1000000) or a unit (100MB, 64KiB)", param, ctx)
        return int(match[1]) * _BYTES[match[2]]


class Shard(click.ParamType[tuple[int, int]]):
    """Part K of N, as `3/16`; counted from 1."""

    name = "K/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return (K - 1, N)."""
        if isinstance(value, tuple):
            return value
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(value).strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r} is not a shard: write K/N with K from 1 to N, such as 3/16", param, ctx)
        return int(match[1]) - 1, int(match[2])


class Ports(click.ParamType[tuple[int, ...]]):
    """One port, or several as `25,465,587`."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the ports, each 1 to 65535, in the order in which they stand."""
        text = str(value).strip()
        ports = [int(part) if _PORT.fullmatch(part) else 0 for part in text.split(",", _MOST_PORTS)]
        if not all(1 <= port <= 65535 for port in ports):
            self.fail(f"{value!r} is not a port: write 25, or several as 25,465,587 (each 1 to 65535)", param, ctx)
        return tuple(ports)


def joined_ports(ctx: click.Context, param: click.Parameter, values: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """Return the ports of an option that may be repeated, as one (a click callback)."""
    del ctx, param
    return tuple(port for ports in values for port in ports)


class Seed(click.ParamType[int]):
    """A number that fixes the order of the targets."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return 0 to 2**53-1."""
        text = str(value).strip()
        seed = int(text) if re.fullmatch(r"[0-9]{1,16}", text) else -1
        if not 0 <= seed < SEED_LIMIT:
            self.fail(f"{value!r} is not a seed: write a whole number from 0 to 2**53-1", param, ctx)
        return seed


class Endpoint(click.ParamType[tuple[str, int]]):
    """Where to listen, as `127.0.0.1:9225` or `[::1]:9225`."""

    name = "address:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return (address, port)."""
        match = re.fullmatch(r"(\[[0-9A-Fa-f:]+\]|[0-9.]+):([0-9]{1,5})", str(value).strip())
        try:
            address = ip_address(match[1].strip("[]")) if match else None
        except ValueError:
            address = None
        if match is None or address is None or int(match[2]) > 65535:
            self.fail(f"{value!r} is not an address and port: write 127.0.0.1:9225 or [::1]:9225", param, ctx)
        return str(address), int(match[2])
