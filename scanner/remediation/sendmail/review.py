"""Review a server's Sendmail configuration: what leaks, the files as they should be, how they differ, what to do.

Everything is worked out from copies of the files; nothing is ever written where a file was read. The folder that is
written holds, for each file, the changed text and a unified diff, the help file, and a README with the steps: backup,
check before the restart, preflight, apply, rollback.

What stands in a configuration file may be anything; it is shown as printable ASCII, and in Markdown only in code
blocks. File names in the folder are ours.
"""

import difflib
import io
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import InputError, SinkError
from scanner.files.folders import WholeFolder
from scanner.files.text_input import utf_8
from scanner.files.whole import require_followable, require_own, write_whole
from scanner.remediation.sendmail import facts
from scanner.remediation.sendmail.likeness import require_configuration, require_help_file
from scanner.remediation.sendmail.reader import ConfigKind, read
from scanner.remediation.sendmail.review_steps import steps
from scanner.remediation.sendmail.rewrite import rewrite
from scanner.remediation.sendmail.values import ConfigFinding, HelpFile, help_text_problem
from scanner.text.counted import counted
from scanner.text.visible import visible_ascii

#: No configuration of Sendmail comes near it: Debian's sendmail.cf has 62 kB.
MAX_FILE_BYTES: Final = 1 << 20
_SHOWN_CHARACTERS: Final = 300
HELP_FILE_NAME: Final = facts.HELP_FILE.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One file: `name` as the user gave it, `kind` None for the help file, which is not changed but replaced."""

    name: str
    kind: ConfigKind | None
    raw: bytes
    changed: bytes
    findings: tuple[ConfigFinding, ...]

    @property
    def diff(self) -> bytes:
        """The unified diff, in bytes, for patch(1); empty when nothing was changed."""
        if self.kind is None or self.raw == self.changed:
            return b""
        names = f"{self.kind}".encode(), f"{self.kind}.new".encode()
        before, after = _lines(self.raw), _lines(self.changed)
        lines = difflib.diff_bytes(difflib.unified_diff, before, after, *names)
        return b"".join(line if line.endswith(b"\n") else line + _NO_LINE_END for line in lines)


def _lines(raw: bytes) -> list[bytes]:
    """Split at LF only, as patch(1) does; `bytes.splitlines` would split at CR too."""
    return io.BytesIO(raw).readlines()


_NO_LINE_END: Final = b"\n\\ No newline at end of file\n"


@dataclass(frozen=True, slots=True)
class Review:
    """What was found in all files; `sources` are the files that were read, none of which is ever written."""

    files: tuple[Reviewed, ...]
    sources: tuple[Path, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found that is more than a note."""
        return not any(finding.counts for file in self.files for finding in file.findings)

    def lines(self) -> list[str]:
        """Return the findings for people: file, line, what, why, what to do; printable ASCII only."""
        return [line for file in self.files for finding in file.findings for line in _shown(file.name, finding)]

    @property
    def diff(self) -> bytes:
        """The unified diffs of all files, one after another."""
        return b"".join(file.diff for file in self.files)

    def describe(self) -> str:
        """Return one line for people."""
        found = [finding for file in self.files for finding in file.findings if finding.counts]
        by_hand = sum(not finding.edits for finding in found)
        rest = f", {by_hand} of them to mend by hand" if by_hand else ""
        return f"{counted(len(found), 'finding')} in {counted(len(self.files), 'file')}{rest}"


def review(files: Mapping[ConfigKind, Path], help_file: Path | None = None) -> Review:
    """Read configuration files and work out what is wrong with them and how they should be.

    Raises:
        InputError: when a file cannot be read, or cannot be what it is said to be.
    """
    seen = None if help_file is None else _read_help_file(help_file)
    reviewed = [_reviewed(kind, path, seen) for kind, path in files.items()]
    if (
        seen is not None
        and help_file is not None
        and not {ConfigKind.SENDMAIL_MC, ConfigKind.SENDMAIL_CF} & files.keys()
    ):
        problem = help_text_problem(seen)
        todo = "put the help file that is written beside in its place"
        found = () if problem is None else (ConfigFinding(problem.id, problem.severity, None, "", problem.why, todo),)
        reviewed.append(Reviewed(str(help_file), None, b"", b"", found))
    return Review(tuple(reviewed), tuple(path for path in (*files.values(), help_file) if path is not None))


def _reviewed(kind: ConfigKind, path: Path, help_file: HelpFile | None) -> Reviewed:
    try:
        raw = _read(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    require_configuration(kind, raw, str(path))
    raw = utf_8(raw)  # without the mark that an editor of Windows put in front: the server's own file has none
    text = raw.decode("latin-1")
    changed = rewrite(kind, text, help_file)
    return Reviewed(str(path), kind, raw, changed.encode("latin-1"), tuple(read(kind, text, help_file)))


def _read_help_file(path: Path) -> HelpFile:
    """Look at the help file; one that is missing or no regular file (/dev/null) is a finding, not an error."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return HelpFile(None)
        raw = utf_8(_read(path))
        require_help_file(raw, str(path))
        return HelpFile(raw.decode("latin-1"))
    except FileNotFoundError:
        return HelpFile(None)
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _read(path: Path) -> bytes:
    """Read a whole regular file. Raises OSError, and InputError when it is too long."""
    with path.open("rb") as file:
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise InputError(f"{path}: longer than {MAX_FILE_BYTES >> 20} MiB: this is not a configuration of Sendmail")
    return raw


def write_review(review: Review, folder: Path, *, overwrite: bool = False) -> None:
    """Write the changed files, their diffs, the help file and the steps into a folder.

    A new folder appears whole or not at all. In one that exists, `overwrite` replaces our own files, each at once,
    and touches no other.

    Raises:
        InputError: when the folder exists and `overwrite` is not given, cannot be made, is another user's, or a file
            that was read would be overwritten.
        SinkError: when the disk does not take it.
    """
    contents = _contents(review)
    if any(_is_same(folder / name, path) for name in contents for path in review.sources):
        raise InputError(f"{folder}: a file that was read would be overwritten: name another folder")
    if overwrite and os.path.lexists(folder):
        _write_into(folder, contents)
        return
    with WholeFolder(folder, overwrite=False, is_ours=Path.is_dir, kind="review") as unfinished:
        for name, content in contents.items():
            (unfinished / name).write_bytes(content)


def _write_into(folder: Path, contents: Mapping[str, bytes]) -> None:
    try:
        require_followable(folder)
        require_own(folder.stat(), folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    try:
        for name, content in contents.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _contents(review: Review) -> dict[str, bytes]:
    contents = {"README.md": _readme(review).encode("ascii"), HELP_FILE_NAME: facts.HELP_FILE_TEXT.encode("ascii")}
    for file in review.files:
        if file.diff:
            contents[f"{file.kind}.new"] = file.changed
            contents[f"{file.kind}.diff"] = file.diff
    return contents


def _readme(review: Review) -> str:
    findings = [f"    {line}" for line in review.lines()] or ["Nothing that shows the product or its version."]
    changed = {file.kind for file in review.files if file.kind is not None and file.diff}
    return "\n".join(["# Sendmail without its version", "", "## Found", "", *findings, "", *steps(changed)])


def _shown(name: str, finding: ConfigFinding) -> list[str]:
    where = _printable(name) if finding.line is None else f"{_printable(name)}:{finding.line}"
    lines = [f"{where}: {finding.severity}: {finding.id}: {_printable(finding.why)}"]
    if finding.text:
        lines.append(f"    {_printable(finding.text)}")
    return [*lines, f"    -> {_printable(finding.todo)}"]


def _printable(text: str) -> str:
    """Return printable ASCII: one character for one that is, an escape for any other; long text is cut."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return visible_ascii(cut.replace("\t", " "))
