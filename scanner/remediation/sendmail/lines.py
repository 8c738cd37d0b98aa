"""Places in a text: the line a character is in, its number, and changes that keep everything else byte for byte."""

from bisect import bisect_right
from collections.abc import Iterable

from scanner.remediation.sendmail.values import ConfigFinding, Edit


class Lines:
    """Where the lines of a text begin; a line ends with LF, and a CR before it belongs to the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0]
        at = text.find("\n")
        while at >= 0:
            self._starts.append(at + 1)
            at = text.find("\n", at + 1)
        #: What new lines end with: the way of the first line.
        self.end = "\r\n" if text[: text.find("\n") + 1].endswith("\r\n") else "\n"

    def number(self, at: int) -> int:
        """Return the number, from 1, of the line that a character is in."""
        return bisect_right(self._starts, at)

    def start(self, at: int) -> int:
        """Return where the line of a character begins."""
        return self._starts[self.number(at) - 1]

    def next(self, at: int) -> int:
        """Return where the line after that of a character begins; the end of the text after the last."""
        number = self.number(at)
        return self._starts[number] if number < len(self._starts) else len(self.text)

    def line(self, at: int) -> str:
        """Return the line of a character, without its end."""
        return self.text[self.start(at) : self.next(at)].rstrip("\r\n")

    def inserted(self, at: int, line: str) -> Edit:
        """Return the edit that puts a line before a character."""
        if at == len(self.text) and at > self.start(at):  # the last line has no end: nor will the new last one
            return Edit(at, at, self.end + line)
        return Edit(at, at, line + self.end)


def apply_edits(text: str, findings: Iterable[ConfigFinding]) -> str:
    """Return the text with the edits of findings made; a finding whose edits meet an earlier one's waits its turn."""
    pieces = []
    at = 0
    for finding in sorted((each for each in findings if each.edits), key=lambda each: each.edits[0].start):
        if finding.edits[0].start < at:
            continue  # sorted is stable, so what is inserted at one place keeps its order
        for edit in finding.edits:
            pieces += [text[at : edit.start], edit.text]
            at = edit.end
    return "".join([*pieces, text[at:]])
