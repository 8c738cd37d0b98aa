"""Mail logs read as evidence: the traces of a sweep, and who else is looking."""
