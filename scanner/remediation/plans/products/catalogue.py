"""Which plan belongs to which product of a record."""

from collections.abc import Mapping
from typing import Final

from scanner.remediation.plans.model import RemediationPlan
from scanner.remediation.plans.products import courier, exchange, exim, general, opensmtpd, postfix, sendmail

#: For every product without a plan of its own.
GENERAL: Final = general.PLAN
#: Product as records name it -> its plan.
PLANS: Final[Mapping[str, RemediationPlan]] = {
    "Sendmail": sendmail.PLAN,
    "Postfix": postfix.PLAN,
    "Exim": exim.PLAN,
    "OpenSMTPD": opensmtpd.PLAN,
    "Courier": courier.PLAN,
    "Microsoft Exchange Server": exchange.PLAN,
}
#: Relatives with a code base and numbers of their own: the settings may be the same, but nobody tried them there.
_OWN_LINES: Final = frozenset({"Switch", "Sentrion", "HP", "SMI", "OS/2", "MetaInfo"})


def plan_for(product: str | None) -> RemediationPlan:
    """Return the plan for a product of a record; the general one when there is none, or no product."""
    return PLANS.get(product or "", GENERAL)


def is_relative(product_line: str | None) -> bool:
    """Tell whether a product line is a relative on which the plan of its product was not tried."""
    return product_line in _OWN_LINES
