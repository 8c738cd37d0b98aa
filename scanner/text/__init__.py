"""Texts for people, and texts of peers made safe.

Which module to use:

    visible.visible          a message, a name or a table cell for people: one line, nothing that acts on a terminal
    visible.visible_ascii    the same where no character may look like another: log lines, diffs, reviews
    escape.escape            a peer's bytes in a record: printable ASCII that `unescape` turns back into the same bytes
    counted.counted          a number with its noun: "1 target", "2,048 targets"
    nearest.hint             "; did you mean ...?" for a name that is not known

Formats quote their own special characters after that, each in its own module (`formats.plain`, `remediation.plans`).
"""
