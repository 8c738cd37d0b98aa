"""One test message: sent, waited for, and what its headers show."""
