"""Courier: product-free by default. Where a greeting names it, somebody wrote that greeting.

Every command was run on Courier 1.0.16-3+b6 as Debian 12 packages it. The file is read for each connection: there is
nothing to restart, and so nothing to check before a restart.
"""

from typing import Final

from scanner.remediation.plans.model import Leak, PlanStep, RemediationPlan

_GREETING: Final = "/etc/courier/esmtpgreeting"

PLAN: Final = RemediationPlan(
    key="courier",
    product="Courier",
    summary="Courier's own greeting names no product. Remove the file that replaces it, or take the name out of it.",
    tested="Courier 1.0.16-3+b6 (Debian 12)",
    steps=(
        PlanStep(
            "look", "Look first", "The text after `220 `, as it is sent. No file: the default.", f"ls {_GREETING}"
        ),
        PlanStep(
            "backup",
            "Backup",
            "Refuses to write over an earlier backup.",
            f"test ! -e {_GREETING}.before-smtpsweep && cp -p {_GREETING} {_GREETING}.before-smtpsweep",
        ),
        PlanStep(
            "apply",
            "Apply",
            "Works from the next connection on. An EMPTY file is not a remedy: the greeting is then `220 ` without a "
            "host name.",
            f"rm {_GREETING}",
        ),
        PlanStep("rollback", "Rollback", "", f"cp -p {_GREETING}.before-smtpsweep {_GREETING}"),
        PlanStep("forget", "Forget, some weeks later", "Removes the backup.", f"rm {_GREETING}.before-smtpsweep"),
    ),
    stays="The product stays recognisable: `250-XVERP=Courier` in EHLO is compiled in. No version is in it.",
    leaks=(
        Leak(
            "Greeting",
            "nothing by default; the text of a file where there is one",
            f"no `{_GREETING}`",
            "an empty file",
        ),
        Leak("EHLO", "`XVERP=Courier`", "nothing"),
    ),
    before="S: 220 mail.example.com ESMTP Courier 1.0.16",
    after="S: 220 courier.lab.example ESMTP",
    privileges=("Let only the networks that need it reach port 25.",),
    sources=("courier(8), section esmtpgreeting",),
)
