"""Look up a format by name, and import it at its first use."""

from collections.abc import Callable, Mapping
from importlib import import_module

from scanner.errors import InputError
from scanner.formats.event import Format

#: Name -> module and class.
FORMATS: Mapping[str, tuple[str, str]] = {
    "native": ("scanner.formats.native", "Native"),
    "ecs": ("scanner.formats.ecs", "Ecs"),
    "ocsf": ("scanner.formats.ocsf", "Ocsf"),
    "cef": ("scanner.formats.cef", "Cef"),
    "leef": ("scanner.formats.leef", "Leef"),
    "gelf": ("scanner.formats.gelf", "Gelf"),
}


def make_format(name: str) -> Format:
    """Return a format by its name.

    Raises:
        InputError: when there is none of that name.
    """
    if name not in FORMATS:
        raise InputError(f"format {name!a}: must be one of {', '.join(FORMATS)}")
    module, kind = FORMATS[name]
    make: Callable[[], Format] = getattr(import_module(module), kind)
    return make()
