r"""Make a text safe to show on a terminal or in a report: what could act there is written as an escape.

A peer's text, a file name or an edited file may hold line ends, cursor movements, or characters that look like others.
Both functions replace each such character by `\n`, `\xNN`, `\uNNNN` or `\UNNNNNNNN`. A backslash stays as it is, so the
result cannot be turned back; `scanner.text.escape` can.
"""


def visible(text: str) -> str:
    """Return the text with everything that is not printable as an escape; letters of all scripts stay."""
    return text if text.isprintable() else "".join(one if one.isprintable() else _escaped(one) for one in text)


def visible_ascii(text: str) -> str:
    """Return the text as printable ASCII, everything else as an escape, so that no character looks like another."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(one if " " <= one <= "~" else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
