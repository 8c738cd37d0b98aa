"""Turn the texts of targets into an ordered stream of targets.

A name is imported when it is first used: most of these modules need numpy, and reading an address does not.
"""

from typing import TYPE_CHECKING

from scanner import lazy

if TYPE_CHECKING:
    from scanner.targets.exclusions import ALWAYS_EXCLUDED, NEVER, YOURS, Exclusions
    from scanner.targets.hostname import ends_in_number
    from scanner.targets.permutation import Permutation
    from scanner.targets.progress import Progress
    from scanner.targets.ranges import Ranges
    from scanner.targets.schedule import Schedule
    from scanner.targets.shards import share
    from scanner.targets.spec import (
        COMMAND_LINE,
        LARGE,
        Origin,
        Spec,
        TextSource,
        parse_exclusions,
        parse_spec,
        require_confirmation,
    )

__all__ = [
    "ALWAYS_EXCLUDED",
    "COMMAND_LINE",
    "LARGE",
    "NEVER",
    "YOURS",
    "Exclusions",
    "Origin",
    "Permutation",
    "Progress",
    "Ranges",
    "Schedule",
    "Spec",
    "TextSource",
    "ends_in_number",
    "parse_exclusions",
    "parse_spec",
    "require_confirmation",
    "share",
]

__getattr__ = lazy.names(
    __name__,
    {
        "exclusions": (
            "ALWAYS_EXCLUDED",
            "Exclusions",
            "NEVER",
            "YOURS",
        ),
        "hostname": ("ends_in_number",),
        "permutation": ("Permutation",),
        "progress": ("Progress",),
        "ranges": ("Ranges",),
        "schedule": ("Schedule",),
        "shards": ("share",),
        "spec": (
            "COMMAND_LINE",
            "LARGE",
            "TextSource",
            "Spec",
            "Origin",
            "parse_exclusions",
            "parse_spec",
            "require_confirmation",
        ),
    },
)
