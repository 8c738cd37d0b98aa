"""Change Sendmail's configuration files so that they no longer show the version, and change nothing else.

Every change is an edit of a finding of `reader`. Some findings show only when others are fixed (the value
that a lost `define` was meant to replace), so reading and changing go on until nothing is left to change; then doing
it again changes nothing. A file that m4 would not read to its end comes back as it was.

Left out: what only a person can decide; the reader still finds it in the result.
"""

from scanner.remediation.sendmail.lines import apply_edits
from scanner.remediation.sendmail.reader import ConfigKind, read
from scanner.remediation.sendmail.values import HelpFile

#: Each round mends what the one before has uncovered. The most that was ever needed is 4.
_MAX_ROUNDS = 32


def rewrite(kind: ConfigKind, text: str, help_file: HelpFile | None = None) -> str:
    """Return the file's text, changed as little as possible; the same text when there is nothing to change.

    Args:
        kind: Which file it is.
        text: The file, one character for each byte (`latin-1`); line ends and all else stay byte for byte.
        help_file: As for `read`: with a help file that is safe, the setting that names it stays.
    """
    for _ in range(_MAX_ROUNDS):
        changed = apply_edits(text, read(kind, text, help_file))
        if changed == text:
            break
        text = changed
    return text
