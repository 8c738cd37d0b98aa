"""`--config FILE.toml`: the long options of a command, without the dashes, as keys.

    rate = 2000
    exclude = ["192.0.2.128/25"]
    connect-timeout = "500ms"

What is said on the command line wins. A key that is no option is an error: a misspelt `exclude` must not be overlooked.
"""

import tomllib
from pathlib import Path

import click

from scanner.errors import InputError


def read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Take the file's values as this command's defaults (a click callback for an eager option).

    Raises:
        InputError: when the file cannot be read, is no TOML or has a key that is no option.
    """
    del param
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: no valid TOML: {error}") from None
    options = {
        name.removeprefix("--"): option
        for option in ctx.command.params
        for name in option.opts
        if name.startswith("--") and option.name != "config"
    } | {"targets": next(option for option in ctx.command.params if option.name == "targets")}
    for key, value in values.items():
        option = options.get(key)
        if option is None:
            raise InputError(f"--config {path}: {key!r} is no option of '{ctx.command_path}'")
        many = option.multiple if isinstance(option, click.Option) else True
        if isinstance(value, dict) or (isinstance(value, list) and not many):
            raise InputError(f"--config {path}: {key!r} must be one value")
    ctx.default_map = {
        str(options[key].name): ([value] if _is_many(options[key]) and not isinstance(value, list) else value)
        for key, value in values.items()
    }
    return path


def _is_many(option: click.Parameter) -> bool:
    return option.nargs == -1 or (isinstance(option, click.Option) and option.multiple)
