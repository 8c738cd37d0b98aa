"""One plan per product."""

from scanner.remediation.plans.products.catalogue import GENERAL, PLANS, plan_for

__all__ = ["GENERAL", "PLANS", "plan_for"]
