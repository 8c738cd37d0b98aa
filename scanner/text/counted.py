"""Format a number with its noun, singular or plural."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, which gets an "s" when there is not exactly one and no `plural` is given."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
