"""Identification: the software that a greeting names, what the server discloses by it, and why it refuses a client."""

from scanner.identify.disclosure import disclosure
from scanner.identify.fingerprint import Fingerprints, Identifier, identify
from scanner.identify.refusal import RefusalRules
from scanner.identify.rules import RefusalRule, Rule, known_products, shipped_refusals, shipped_rules

__all__ = [
    "Fingerprints",
    "Identifier",
    "RefusalRule",
    "RefusalRules",
    "Rule",
    "disclosure",
    "identify",
    "known_products",
    "shipped_refusals",
    "shipped_rules",
]
