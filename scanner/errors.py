"""The errors that callers of this package must handle.

None is about a peer: what a server or the network does is a `Status` in a record, never an exception. Every message is
one line that says what happened, where, and what to do; the command line prints it as it is.
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
    """Raised when a sink takes no more records; the sweep stops and can be resumed (exit code 3)."""


class LocalError(SmtpsweepError):
    """Raised when this machine, not a target, prevents the sweep: no descriptors, no network (exit code 4)."""


class LedgerError(SmtpsweepError):
    """Raised when planned targets and final statuses do not add up, which is a bug of ours."""
