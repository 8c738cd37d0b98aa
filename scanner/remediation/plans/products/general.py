"""Every product that nobody tried a plan on: what to look for, and nothing that pretends to be a recipe."""

from typing import Final

from scanner.remediation.plans.model import Leak, PlanStep, RemediationPlan

PLAN: Final = RemediationPlan(
    key="general",
    product="other products",
    summary="No plan for this product was tried, so there are no commands here: a wrong one stops mail.",
    tested=None,
    steps=(
        PlanStep(
            "find",
            "Find the setting",
            "Look in the product's own manual for the greeting (banner, welcome text, login message), for HELP, and "
            "for the `Received:` line: they are often three settings. An appliance may have none; ask its maker.",
        ),
        PlanStep(
            "backup",
            "Backup",
            "Export the configuration, or copy its files, and write down how the service is started.",
        ),
        PlanStep(
            "change",
            "Change a copy or a test machine first",
            "Aim at `220 HOST ESMTP`: RFC 5321 (4.2) wants the host's name after the code. Never an empty text: with "
            "some products that is an outage. Use the product's own check of a configuration, when it has one.",
        ),
        PlanStep(
            "apply",
            "Apply in a quiet hour",
            "Watch the log and the queue; keep the session in which you can undo it open.",
        ),
        PlanStep(
            "rollback",
            "Rollback",
            "Put the copy back and restart. Then look at the greeting: it should be the one at the top of the host's "
            "page.",
        ),
    ),
    stays="Products are recognised by the wording of their replies, too. What counts is that no version is shown.",
    leaks=(Leak("Greeting, HELP, EHLO, Received:, bounces", "depends on the product", "see its manual"),),
)
