"""What can go wrong on our caller's side.

Nothing here is about a peer: what a server or the network does to us is a `Status` in a record, never an exception.
Every message is one line that says what is wrong, where, and what to do about it; the command line prints it as is.
"""


class SmtpsweepError(Exception):
    """The base of every error this package raises on purpose."""


class InputError(SmtpsweepError):
    """Raised when targets, exclusions or options cannot be used as given (exit code 2)."""


class SettingsError(InputError):
    """Raised when a setting has a value that makes no sense, alone or beside another."""


class RuleError(InputError):
    """Raised when a file of fingerprint rules is wrong; the message names the file and the rule."""


class StateError(InputError):
    """Raised when a state file is damaged or belongs to another sweep."""


class SinkError(SmtpsweepError):
    """Raised when a destination does not take records any more; the sweep stops and can be resumed (exit code 3)."""


class LocalError(SmtpsweepError):
    """Raised when this machine, not a target, keeps the sweep from going on: descriptors, network (exit code 4)."""


class LedgerError(SmtpsweepError):
    """Raised when planned targets and terminal statuses do not add up: a bug of ours, never hidden."""
