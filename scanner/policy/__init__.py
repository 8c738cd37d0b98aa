"""Policies: the rules an organisation sets for its mail servers, judged on records; waivers, and reports."""
