"""Identification: which software a greeting names, and what the server gives away by it."""

from scanner.identify.disclosure import disclosure
from scanner.identify.fingerprint import Fingerprints, identify
from scanner.identify.rules import Rule, load_rules, shipped_rules

__all__ = ["Fingerprints", "Rule", "disclosure", "identify", "load_rules", "shipped_rules"]
