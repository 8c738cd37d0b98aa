"""Remediation plans: what to do about a finding, step by step, for each product."""
