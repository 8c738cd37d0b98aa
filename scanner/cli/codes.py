"""The exit codes that mean the same for every command; 1 is a command's own: its check found something."""

USAGE_ERROR, INCOMPLETE, ALL_LOCAL = 2, 3, 4
