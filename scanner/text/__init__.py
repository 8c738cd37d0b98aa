"""Everything that makes bytes or text safe to show, quote or write."""
