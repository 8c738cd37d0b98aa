"""The nearest of the names that are known, for messages about one that is not."""

from collections.abc import Iterable

#: How alike two names must be: two letters exchanged in a word of six are.
_ALIKE = 0.7
#: In a name of so many letters one letter is a large part.
_SHORT = 6
#: Longer texts are not names that somebody misspelt.
_LONGEST = 60


def maybe_nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None when there is none, or `name` is not a text."""
    if not isinstance(name, str) or len(name) > _LONGEST:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  only who misspelt a name waits for it

    by_key = {each.casefold(): each for each in known}
    key = name.casefold().strip()
    if key in by_key:
        return by_key[key]
    close = [each for each in get_close_matches(key, by_key, 3, _ALIKE) if _begins_alike(key, each)]
    if close:
        return by_key[close[0]]
    within = [each for folded, each in by_key.items() if key in folded.split()]
    return min(within, key=len) if within else None


def _begins_alike(name: str, other: str) -> bool:
    """Say whether a short name begins like the other: one letter makes "Gmail" another one than "GoMail"."""
    return len(name) > _SHORT or name[:2] == other[:2]


def hint(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not known: the nearest one that is, or nothing."""
    nearest = maybe_nearest(name, known)
    return "" if nearest is None else f"; did you mean '{nearest}'?"
