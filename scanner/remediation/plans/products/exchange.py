"""Microsoft Exchange Server: the documented PowerShell commands, which nobody here could try.

Every block is marked as not tried. The facts are Microsoft's: the parameter Banner of Set-ReceiveConnector is null by
default, and a text of one's own has to begin with 220.
"""

from typing import Final

from scanner.remediation.plans.model import File, Leak, PlanStep, RemediationPlan

_SET: Final = "Set-ReceiveConnector -Identity $connector -Banner '220 mail.example.com ESMTP'"
_CHOOSE: Final = '$connector = "$env:COMPUTERNAME\\Default Frontend $env:COMPUTERNAME"'

PLAN: Final = RemediationPlan(
    key="exchange",
    product="Microsoft Exchange Server",
    summary="A greeting of your own on each Receive connector that strangers reach, by the Exchange Management Shell.",
    tested=None,
    steps=(
        PlanStep(
            "look",
            "Look first, and keep the output as the backup",
            "Strangers usually reach the connector `Default Frontend SERVER`. An empty Banner is the default.",
            "Get-ReceiveConnector | Format-List Identity, Banner, Bindings, Fqdn",
            language="powershell",
        ),
        PlanStep(
            "check",
            "Check before you change",
            "`-WhatIf` says what would be done. The text has to begin with `220 `, then the name that mail partners "
            "know.",
            f"{_CHOOSE}\n{_SET} -WhatIf",
            language="powershell",
        ),
        PlanStep("apply", "Apply", "Replace the name by your own.", f"{_CHOOSE}\n{_SET}", language="powershell"),
        PlanStep(
            "rollback",
            "Rollback",
            "To the default. Where the first step showed another text, set that one.",
            f"{_CHOOSE}\nSet-ReceiveConnector -Identity $connector -Banner $null",
            language="powershell",
        ),
    ),
    stays=(
        "`Received:` lines of Exchange (`with Microsoft SMTP Server ... id 15.x`) show the build, and so do its web "
        "services. EHLO lists extensions that others do not have. The plan closes the greeting only."
    ),
    leaks=(
        Leak("Greeting", "`Microsoft ESMTP MAIL service ready at DATE` and the server's name", "`-Banner`"),
        Leak("Received:", "`Microsoft SMTP Server`, the build", "nothing documented for connectors"),
    ),
    warnings=("Do not change the connector's `Fqdn` for this: other Exchange servers authenticate with it.",),
    side_effects=("Monitoring that looks for `Microsoft ESMTP` in the greeting reports a failure.",),
    privileges=("Bind the anonymous connector to the addresses that need it (`Bindings`, `RemoteIPRanges`).",),
    files=(
        File(
            "Set-Banner.ps1",
            f"# NOT TRIED. From Microsoft's documentation of Set-ReceiveConnector.\n{_CHOOSE}\n{_SET} -WhatIf\n"
            f"# When that is what you want:\n# {_SET}\n# Back to the default:\n"
            "# Set-ReceiveConnector -Identity $connector -Banner $null\n",
            "The commands in one file; as it is, it changes nothing (`-WhatIf`).",
        ),
    ),
    sources=(
        "Microsoft: Set-ReceiveConnector, parameter Banner",
        "Microsoft: Modify the SMTP banner on Receive connectors",
    ),
)
