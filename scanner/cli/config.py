"""`--config FILE.toml`: the long options of a command, without the dashes, as keys.

Without `--config` the user's own file is read, `$XDG_CONFIG_HOME/smtpsweep/config.toml`, if it exists. A file in the
working folder is never looked for: anybody who can write to a folder where root or a cron job runs could decide what is
visited and written. For the same reason the user's own file must belong to the user or to root.

    rate = 2000
    exclude = ["192.0.2.128/25"]
    connect-timeout = "500ms"

    [[sinks]]                                  # as -o 'splunk+https://siem.example.com:8088?index=sec&token_env=HEC'
    url = "splunk+https://siem.example.com:8088"
    index = "sec"
    token_env = "HEC"

The command line wins, with one exception: exclusions of both apply, since a network that must not be visited must not
become a target because of one more `-x`. A key that is not an option is an error: a misspelt `exclude` must not be
overlooked. Values are converted as on the command line, so both have the same limits.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click
from click.core import ParameterSource

from scanner.cli.commands import maybe_meant
from scanner.errors import InputError

#: Where the context keeps which file was read, so that no output replaces it.
CONFIG_FILE: Final = f"{__name__}.file"
#: Whether it was found without being named.
DEFAULT_CONFIG: Final = f"{__name__}.default"
_LEFT_OUT: Final = f"{__name__}.left-out"
_YES_NO = {True: "yes", False: "no"}


def default_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the user's own file: `$XDG_CONFIG_HOME/smtpsweep/config.toml`, or below `~/.config`.

    Without HOME, as services are started, the system knows the user's `~`: a job finds the same file.
    """
    folder = environ.get("XDG_CONFIG_HOME", "")
    # The specification says that a relative path must be ignored.
    base = Path(folder) if folder.startswith("/") else Path(os.path.expanduser("~")) / ".config"  # noqa: PTH111  no error without a home
    return base / "smtpsweep" / "config.toml"


def leave_out_config(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's form
    """Note `--no-config` (a click callback for an eager option)."""
    del param
    if value:
        ctx.meta[_LEFT_OUT] = True
        if CONFIG_FILE in ctx.meta and DEFAULT_CONFIG not in ctx.meta:
            raise click.UsageError("--config and --no-config contradict each other: use one of them")


def read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Use the file's values as this command's defaults (a click callback for an eager option).

    Raises:
        InputError: if the file cannot be read, is not TOML, or has a key or a type of value that no option takes; for
            the user's own file also if others could have written it.
    """
    del param
    if ctx.resilient_parsing:  # a shell asks what can follow
        return None
    left_out = ctx.meta.get(_LEFT_OUT, False)
    if path is None:
        path = None if left_out else _own_file()
        if path is None:
            return None
        ctx.meta[DEFAULT_CONFIG] = True
    elif left_out:
        raise click.UsageError("--config and --no-config contradict each other: use one of them")
    ctx.meta[CONFIG_FILE] = path
    ctx.default_map = _defaults(ctx, path)
    return path


def _own_file() -> Path | None:
    """Return the user's own file if it exists."""
    path = default_file()
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): use --no-config to run without it") from None
    if found.st_uid not in (os.geteuid(), 0):
        raise InputError(
            f"{path}: belongs to another user (uid {found.st_uid}): name it with --config, or use --no-config"
        )
    if found.st_mode & stat.S_IWOTH:
        raise InputError(f"{path}: every user may write to it: run chmod o-w on it, or use --no-config")
    return path


def _defaults(ctx: click.Context, path: Path) -> dict[str, Any]:
    """Return click's defaults for the keys of the file."""
    options, defaults = _by_key(ctx.command), dict[str, Any]()
    values = _document(path)
    if "sinks" in values and "output" in options:
        values = _with_sinks_as_outputs(values, path)
    for key, value in values.items():
        if key not in options:
            meant = maybe_meant(key.lstrip("-"), options)
            hint = f"; did you mean {meant!r}?" if meant else ""
            raise InputError(f"--config {path}: {key!r} is not an option of '{ctx.command_path}'{hint}")
        try:
            defaults |= _default(options[key], value)
        except ValueError as problem:
            raise InputError(f"--config {path}: {key!r} must be {problem}") from None
    return defaults


def _document(path: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  most commands have no such file

    from scanner.files import toml as safe_toml  # noqa: PLC0415

    try:
        return safe_toml.loads(safe_toml.read_text(path))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not valid TOML: {error}") from None


def _with_sinks_as_outputs(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the document with its `[[sinks]]` as further values of `output`."""
    try:
        urls = _sink_urls(values["sinks"])
    except (TypeError, ValueError) as problem:
        raise InputError(f"--config {path}: [[sinks]] {problem}") from None
    output = values.get("output", [])
    others = {key: value for key, value in values.items() if key != "sinks"}
    return {**others, "output": [*(output if isinstance(output, list) else [output]), *urls]}


def default_notices() -> list[str]:
    """Return a notice about a file that was read without being named; outside a command, nothing."""
    context = click.get_current_context(silent=True)
    if context is None or DEFAULT_CONFIG not in context.meta:
        return []
    return [f"options from {context.meta[CONFIG_FILE]} are used (--no-config ignores them)"]


def with_configured(ctx: click.Context, param: click.Parameter, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Add the file's values to those of the command line (a click callback for a repeatable option)."""
    configured = (ctx.default_map or {}).get(str(param.name))
    if configured is None or ctx.get_parameter_source(str(param.name)) is not ParameterSource.COMMANDLINE:
        return value
    return (*value, *param.type_cast_value(ctx, configured))


def _by_key(command: click.Command) -> dict[str, click.Parameter]:
    """Return what a file may set: the targets, and every long option but `--config` and `--no-config`."""
    keys: dict[str, click.Parameter] = {}
    for param in command.params:
        if param.name not in ("config", "no_config"):
            names = param.opts if isinstance(param, click.Option) else [f"--{param.name}"]
            keys |= {name.removeprefix("--"): param for name in names if name.startswith("--")}
    return keys


def _default(param: click.Parameter, value: object) -> dict[str, Any]:
    """Return one key's entry for click's default map; raise ValueError with what the value must be."""
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
    if not values:  # an empty list by mistake must not widen a sweep silently
        raise ValueError("one or more texts or numbers, not an empty list: to leave it out, remove the key")
    return {name: [_text(each, "texts or numbers") for each in values]}


def _sink_urls(tables: object) -> list[str]:
    """Return the value of -o for each table; raise TypeError or ValueError with what is wrong."""
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
