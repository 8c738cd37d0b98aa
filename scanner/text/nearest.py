"""Find the known name that is nearest to an unknown one, for "did you mean"."""

from collections.abc import Iterable

#: How alike two names must be, 0 to 1: two swapped letters in a word of six are alike enough.
_ALIKE = 0.7
#: In names up to this length the first two letters must be equal.
_SHORT = 6
#: Longer texts are not misspelt names.
_LONGEST = 60


def maybe_nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None if there is none, or `name` is not a text."""
    if not isinstance(name, str) or len(name) > _LONGEST:
        return None
    from difflib import get_close_matches  # noqa: PLC0415  only a misspelt name waits for it

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
    """Return whether a short name begins like the other: "Gmail" and "GoMail" are different products."""
    return len(name) > _SHORT or name[:2] == other[:2]


def hint(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the nearest known one, or nothing."""
    nearest = maybe_nearest(name, known)
    return "" if nearest is None else f"; did you mean '{nearest}'?"
