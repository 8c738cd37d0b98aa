"""Receivers for tests: servers started here, doubles, and what is sent to them."""
