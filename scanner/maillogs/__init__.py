"""Read mail logs as evidence of our sweep and of other scanners."""
