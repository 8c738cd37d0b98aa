"""A line of JSON with its own checksum, so that damage is noticed.

The state file, the cursors and the spool are read back after crashes; disks may fail and people may edit. A changed
digit inside a number is still JSON, and a host would never be visited. So each line of these files is one JSON object
whose last member is the CRC-32 of everything before it:

    {"done":[16,17],"counts":{}}   ->   {"done":[16,17],"counts":{},"crc32":"f6e8b64d"}

It stays JSON for other tools. CRC-32 (ISO 3309, as in gzip and PNG) detects accidents, among them every burst of up to
32 bits. It is not a signature: anybody who can write the file can also write the checksum.
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
        ValueError: if there is no checksum, or it does not fit the line: torn, changed, or never sealed.
    """
    line, found = sealed[: -SEAL_BYTES - 1] + b"}", sealed[-SEAL_BYTES - 1 :]
    if found[: len(_KEY)] != _KEY:
        raise ValueError("it has no checksum")
    if found[len(_KEY) :] != b'%08x"}' % crc32(line):
        raise ValueError("its checksum does not fit")
    return line
