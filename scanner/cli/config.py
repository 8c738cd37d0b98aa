"""`--config FILE.toml`: the long options of a command, without the dashes, as keys.

    rate = 2000
    exclude = ["192.0.2.128/25"]
    connect-timeout = "500ms"

    [[sinks]]                                  # as -o 'splunk+https://siem.example.com:8088?index=sec&token_env=HEC'
    url = "splunk+https://siem.example.com:8088"
    index = "sec"
    token_env = "HEC"

What is said on the command line wins, with one exception: exclusions of both are honoured, since a network that must
not be visited must not become a target because of one more `-x`. A key that is not an option is an error: a misspelt
`exclude` must not be overlooked. Values are read as on the command line would be, so both have the same limits.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
from click.core import ParameterSource

from scanner.errors import InputError
from scanner.nearest import hint

#: Where the context keeps which file was read, so that no output replaces it.
CONFIG_FILE: Final = f"{__name__}.file"
_YES_NO = {True: "yes", False: "no"}


def read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Take the file's values as this command's defaults (a click callback for an eager option).

    Raises:
        InputError: when the file cannot be read, is not TOML, or has a key or a kind of value that is not an option's.
    """
    del param
    if path is None:
        return None
    ctx.meta[CONFIG_FILE] = path
    import tomllib  # noqa: PLC0415  most commands have no such file

    from scanner import safe_toml  # noqa: PLC0415

    try:
        values = safe_toml.loads(safe_toml.read_text(path))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: no valid TOML: {error}") from None
    options = _by_key(ctx.command)
    defaults: dict[str, Any] = {}
    if "sinks" in values and "output" in options:
        try:
            urls = _sink_urls(values.pop("sinks"))
        except (TypeError, ValueError) as problem:
            raise InputError(f"--config {path}: [[sinks]] {problem}") from None
        output = values.get("output", [])
        values["output"] = [*(output if isinstance(output, list) else [output]), *urls]
    for key, value in values.items():
        if key not in options:
            raise InputError(f"--config {path}: {key!r} is not an option of '{ctx.command_path}'{hint(key, options)}")
        try:
            defaults |= _default(options[key], value)
        except ValueError as problem:
            raise InputError(f"--config {path}: {key!r} must be {problem}") from None
    ctx.default_map = defaults
    return path


def with_configured(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Add what the file says to what the command line says (a click callback for a repeatable option)."""
    configured = (ctx.default_map or {}).get(str(param.name))
    if configured is None or ctx.get_parameter_source(str(param.name)) is not ParameterSource.COMMANDLINE:
        return value
    return (*value, *param.type_cast_value(ctx, configured))


def _by_key(command: click.Command) -> dict[str, click.Parameter]:
    """Return what a file may set: every long option but `--config`, and the targets."""
    keys: dict[str, click.Parameter] = {}
    for param in command.params:
        if param.name != "config":
            names = param.opts if isinstance(param, click.Option) else [f"--{param.name}"]
            keys |= {name.removeprefix("--"): param for name in names if name.startswith("--")}
    return keys


def _default(param: click.Parameter, value: object) -> dict[str, Any]:
    """Return the entry of click's default map for one key; raise ValueError with what the value must be."""
    name = str(param.name)
    if isinstance(param, click.Option) and param.is_flag:
        if not isinstance(value, bool):
            raise ValueError("true or false")
        if param.is_bool_flag:
            return {name: value}
        return {name: param.flag_value} if value else {}
    if isinstance(param, click.Option) and not param.multiple:
        return {name: _text(value, "one text or number")}
    values = value if isinstance(value, list) else [value]
    if not values:  # a list that somebody forgot to fill in must not widen a sweep silently
        raise ValueError("one or more texts or numbers, not an empty list: remove the key if that is meant")
    return {name: [_text(each, "texts or numbers") for each in values]}


def _sink_urls(tables: object) -> list[str]:
    """Return what would be said after -o for each table; raise TypeError or ValueError with what is wrong."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ValueError("must be tables, each beginning with [[sinks]]")
    urls = []
    for number, table in enumerate(tables, 1):
        url, options = table.get("url"), {key: value for key, value in table.items() if key != "url"}
        if not isinstance(url, str):
            raise TypeError(f"number {number}: url must be a text, such as 'syslog+tls://siem.example.com:6514'")
        for key, value in options.items():
            if not isinstance(value, str | int | float):
                raise TypeError(f"number {number}: {key!r} must be one text or number, or true or false")
        said = {key: _YES_NO.get(value, value) if isinstance(value, bool) else value for key, value in options.items()}
        joint = "" if not said else "&" if "?" in url else "?"
        urls.append(f"{url}{joint}{urlencode(said)}")
    return urls


def _text(value: object, wanted: str) -> str:
    """Return a value as it would stand on the command line."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(wanted)
