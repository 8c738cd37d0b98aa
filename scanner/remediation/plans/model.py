"""A remediation plan: the steps that a person (or a test) runs one after the other, with their texts and files.

A plan belongs to a product, not to a host: a hundred hosts with Sendmail are changed in the same way. What differs from
host to host (evidence, release to install, addresses) is on the host's own page. So no command of a plan contains
text from a server.

Texts are Markdown of ours, one paragraph each, and go into the pages as they are.
"""

from dataclasses import dataclass
from typing import Final

#: Where the commands of a tested plan expect the plan's files on the server.
PLAN_FOLDER: Final = "/root/smtpsweep-plan"
#: A port of loopback on which the new configuration is tried while the old one still serves.
PREFLIGHT_PORT: Final = 2525
#: Greeting, EHLO, HELP (curl's SMTP command when there is no message) and QUIT; waits until the port is open.
PREFLIGHT_PROBE: Final = (
    "curl --silent --show-error --verbose --max-time 30 --retry 10 --retry-connrefused --retry-delay 1 "
    f"smtp://127.0.0.1:{PREFLIGHT_PORT} 2>&1 | grep '^[<>]'"
)


def as_curl_shows(transcript: str) -> str:
    """Return the dialogue of a transcript in the form of `PREFLIGHT_PROBE`, without what follows an empty line."""
    lines = transcript.partition("\n\n")[0].splitlines()
    return "\n".join(line.replace("S: ", "< ", 1).replace("C: ", "> ", 1) for line in lines)


@dataclass(frozen=True, slots=True)
class File:
    """A file to copy to the server. `name` has no folder; `purpose` is one sentence."""

    name: str
    text: str
    purpose: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step. `commands` run as root on the server, in one shell; empty where the text is all there is to do.

    `id` is unique in its plan and names the fenced block. `expect` is what the commands print when all is well.
    `language` is "sh" or "powershell".
    """

    id: str
    title: str
    text: str
    commands: str = ""
    expect: str = ""
    language: str = "sh"


@dataclass(frozen=True, slots=True)
class Leak:
    """One place that shows product or version by default, what closes it, and what looks like it but does not."""

    place: str
    shows: str
    closed_by: str
    not_by: str = ""


@dataclass(frozen=True, slots=True)
class RemediationPlan:
    """What to do about one product.

    `tested` says on which release every command was run, None when none was: then the page says so at the top.
    `before` and `after` are transcripts, empty where there is nothing to compare. `can_hide` is False where no setting
    changes what the server says.
    """

    key: str
    product: str
    summary: str
    tested: str | None
    steps: tuple[PlanStep, ...]
    stays: str
    leaks: tuple[Leak, ...] = ()
    warnings: tuple[str, ...] = ()
    side_effects: tuple[str, ...] = ()
    privileges: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    before: str = ""
    after: str = ""
    can_hide: bool = True
    sources: tuple[str, ...] = ()
