"""Load a policy from a file, with addresses in the forms that a sweep takes."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from scanner.errors import InputError
from scanner.files import toml as safe_toml
from scanner.policy.file import read_policy
from scanner.policy.policy import Policy
from scanner.targets import COMMAND_LINE, Ranges, TextSource, parse_spec


def load_policy(path: Path) -> Policy:
    """Read a policy file, with addresses written as for a sweep.

    Raises:
        InputError: if it cannot be read, or for the first mistake in it.
    """
    try:
        text = safe_toml.read_text(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not valid TOML: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    return read_policy(text, str(path), read_addresses)


def read_addresses(texts: Sequence[str]) -> Ranges:
    """Read addresses, networks, ranges and octet patterns, as a sweep does.

    Raises:
        InputError: for the first text that is not one of these, such as a host name.
    """
    try:
        ranges = parse_spec([TextSource(COMMAND_LINE, texts)], allow_names=False, allow_large_v6=True).ranges
    except InputError as error:
        raise InputError(str(error).removeprefix(f"{COMMAND_LINE}: ")) from None
    if not ranges:
        raise InputError("names no address")
    return ranges
