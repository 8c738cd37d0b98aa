"""OpenSMTPD: nothing can be hidden, and no version is shown. The plan says so instead of inventing a setting.

Tried on OpenSMTPD 6.8.0p2-4+b4 as Debian 12 packages it: `smtp greeting`, `smtp banner` and the like are syntax errors
in smtpd.conf, and `listen on ... hostname NAME` changes the host's name only. The text is compiled in.
"""

from typing import Final

from scanner.remediation.plans.model import Leak, PlanStep, RemediationPlan

_TEXT: Final = """\
S: 220 opensmtpd.lab.example ESMTP OpenSMTPD
C: HELP
S: 214-2.0.0 This is OpenSMTPD
   ...
S: 214 2.0.0 End of HELP info

Received: from ... by opensmtpd.lab.example (OpenSMTPD) with ESMTP id ..."""

PLAN: Final = RemediationPlan(
    key="opensmtpd",
    product="OpenSMTPD",
    summary="There is no setting to change: the greeting is compiled in. It names the product and never a version.",
    tested=None,
    can_hide=False,
    steps=(
        PlanStep(
            "patch",
            "Keep it patched",
            "What the greeting gives away is a name. What an attacker can do with it depends on the release behind "
            "it, so the release is the whole remedy: install the newest one, or your distribution's package with its "
            "fixes.",
        ),
        PlanStep(
            "access",
            "Let only those reach it who need it",
            "`listen on` an inner address where no mail comes from outside; a packet filter for the rest. A proxy in "
            "front that greets in its own words hides the name, and is one more program to patch: not worth it for a "
            "name alone.",
        ),
        PlanStep(
            "accept",
            "Accept what is left, in writing",
            "Give the finding an owner and a reason in your policy (a waiver with a date), so that the next sweep "
            "does not bring it up again as if nobody had looked.",
        ),
    ),
    stays="Greeting, HELP and `Received:` name OpenSMTPD.",
    leaks=(Leak("Greeting, HELP, Received:", "`OpenSMTPD`, no version", "nothing", "`listen on ... hostname`"),),
    before=_TEXT,
    sources=("smtpd.conf(5) of OpenSMTPD 6.8",),
)
