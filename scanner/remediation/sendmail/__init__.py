"""Find the settings in Sendmail's configuration that disclose its version, and write the changed text."""
