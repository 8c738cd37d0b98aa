"""Where programs that tests fetch are kept: `$SMTPSWEEP_RECEIVERS`, by default /var/cache/smtpsweep-receivers."""

import os
from pathlib import Path


def kept() -> Path:
    """Return the folder; it need not be there."""
    return Path(os.environ.get("SMTPSWEEP_RECEIVERS", "/var/cache/smtpsweep-receivers"))
