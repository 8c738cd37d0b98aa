"""A line of JSON that carries its own checksum, so that damage is seen and never believed.

The state file, the cursors and the log of a run are read back after crashes, by machines whose disks may fail and by
people who may edit. A digit that changes inside a number still is JSON, and a host would never be visited. So each
line of these files is one JSON object whose last member is the CRC-32 of everything before it:

    {"done":[16,17],"counts":{}}   ->   {"done":[16,17],"counts":{},"crc32":"f6e8b64d"}

It stays JSON for everybody's tools. CRC-32 (ISO 3309, as in gzip and PNG) finds accidents, every burst up to 32 bits
among them. It is not a signature: who can write the file can also write the checksum.
"""

from zlib import crc32

_KEY = b',"crc32":"'
#: Bytes that a seal adds to a line: the key, eight hexadecimal digits, a quote.
SEAL_BYTES = len(_KEY) + 9


def seal(line: bytes) -> bytes:
    """Add the checksum to a JSON object of at least one member, given without a line end."""
    return b'%b%b%08x"}' % (line[:-1], _KEY, crc32(line))


def unseal(sealed: bytes) -> bytes:
    """Return the object without its checksum, as it was given to `seal`.

    Raises:
        ValueError: when there is no checksum, or it is not the line's: torn, changed, or never sealed.
    """
    line, found = sealed[: -SEAL_BYTES - 1] + b"}", sealed[-SEAL_BYTES - 1 :]
    if found[: len(_KEY)] != _KEY:
        raise ValueError("it has no checksum")
    if found[len(_KEY) :] != b'%08x"}' % crc32(line):
        raise ValueError("its checksum does not fit")
    return line
