"""Send one test message, wait for it, and report what its headers disclose."""
