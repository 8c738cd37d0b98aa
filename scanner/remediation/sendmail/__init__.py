"""Sendmail's configuration files: what leaks in them, and the changed text."""
