"""S3-compatible object stores: one object for each closed segment of the run's log.

    BUCKET/PREFIX/RUN/records-000000000001.jsonl.gz

The number is that of the object's first event in the spool. A segment that is sent again (the answer was lost, a
process was killed) gives the same key and, since compression leaves out the time, the same bytes: the object is
overwritten, and there are no duplicates. A resumed sweep that adds to its last segment overwrites that object with a
longer one.

PUT stores an object whole or not at all, and Content-MD5 lets the store refuse a body that was damaged on the way. One
PUT takes up to 5 GiB; a segment is closed at 16 MiB of records (`delivery.spool.segments`), so multipart uploads are
not needed. The object is made and compressed in memory.

A store does not look into an object, so no answer is about a record, and no record becomes a dead letter. Errors either
wait for a person or are retried. Only 413 counts as too large: the segment is then sent in halves, each under the
number of its own first event.

boto3 blocks, so it is called in threads. Its own retries are off: the relay decides. Signing and, when the URL names no
keys, the search for credentials (environment, profile, container, instance) are left to boto3.
"""

import asyncio
import base64
import contextlib
import hashlib
import importlib.util
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from scanner.delivery.local.compression import codec_for
from scanner.delivery.local.descriptor import printable
from scanner.delivery.receivers.http import retry_after_s
from scanner.delivery.receivers.options import choice, option, seconds
from scanner.delivery.receivers.receiver import (
    TAKEN,
    AccessDeniedError,
    BatchLimits,
    Receipt,
    TooLargeError,
    TryLaterError,
)
from scanner.delivery.receivers.tls import TlsOptions, is_tls_trouble, tls_context, warn_plain
from scanner.delivery.receivers.trouble import in_words
from scanner.delivery.receivers.urls import SinkKind, SinkUrl, single_host
from scanner.delivery.redaction import Redaction
from scanner.errors import InputError
from scanner.formats import Event, make_format

if TYPE_CHECKING:
    from botocore.config import Config
    from types_boto3_s3 import S3Client

#: Amazon's rules for names of buckets, and the older ones that other stores still allow.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
#: Characters that are safe in keys everywhere (S3 User Guide, "Creating object key names").
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,512}")
_SUFFIXES = {"gzip": ".gz", "zstd": ".zst", "none": ""}
_CONTENT_TYPES = {"gzip": "application/gzip", "zstd": "application/zstd", "none": "application/x-ndjson"}

#: Errors with a status of 4xx for which a retry may help (S3 API reference, "Error responses").
_PASSING = frozenset(
    {"RequestTimeout", "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch",
     "OperationAborted", "SlowDown", "Throttling", "RequestLimitExceeded", "TooManyRequests"}
)  # fmt: skip
_ADVICE: Mapping[str, str] = {
    "NoSuchBucket": "make the bucket",
    "InvalidBucketName": "the first part of the path is the bucket",
    "RequestTimeTooSkewed": "set this machine's clock",
    "PermanentRedirect": "the bucket is at another endpoint",
    "AuthorizationHeaderMalformed": "name the bucket's region with region=",
    "AccessDenied": "allow s3:PutObject on the bucket and prefix",
}


@dataclass(frozen=True, kw_only=True)
class S3Options(TlsOptions):
    """Options of a bucket."""

    region: str = option("the bucket's region, part of every signature", "us-east-1")
    addressing: Literal["path", "virtual"] = option(
        "where requests name the bucket: path or virtual (host name)", "path", choice("path", "virtual")
    )
    compress: str = option("gzip, zstd or none", "gzip", choice("gzip", "zstd", "none"))
    timeout: float = option("seconds without any answer after which an attempt ends", "60", seconds(0.1, 600))


class S3Receiver:
    """Puts objects into one bucket."""

    limits = BatchLimits(whole_segments=True)

    def __init__(self, url: SinkUrl[S3Options]) -> None:
        """Take the URL.

        Raises:
            InputError: when boto3 is not installed, the URL names no bucket, or only one of the two keys.
        """
        if importlib.util.find_spec("boto3") is None:
            raise InputError(f"-o {url.shown}: needs boto3: pip install 'smtpsweep[s3]'")
        self._bucket, self._prefix = _bucket_and_prefix(url)
        if (url.secret("access_key") is None) != (url.secret("secret_key") is None):
            raise InputError(f"-o {url.shown}: access_key_env and secret_key_env go together (or ..._file)")
        self._endpoint = _endpoint(url)
        if url.scheme.endswith("+https"):
            tls_context(url)  # mistakes show before the sweep
        else:
            warn_plain(url)
        self.name = url.shown
        self._url = url
        self._compress = url.options.compress
        is_json = make_format(url.options.format).is_json
        self._suffix = (".jsonl" if is_json else ".log") + _SUFFIXES[self._compress]
        self._codec = codec_for(PurePath(f"records{self._suffix}"))
        self._run = ""
        self._client: S3Client | None = None
        self._found: set[str] = set()
        self._credentials: Any = None  # botocore's, which it may renew

    async def open(self, run: str) -> None:
        """Make the client; whether the bucket takes objects shows with the first one."""
        await self.close()
        self._run = run
        try:
            self._client = await asyncio.to_thread(self._make_client)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            raise _meaning(error, self._redaction()) from None

    async def send(self, batch: Sequence[Event]) -> Receipt:
        """Put one object."""
        assert self._client is not None  # noqa: S101  opened before anything is sent
        try:
            await asyncio.to_thread(self._put, self._client, batch)
        except Exception as error:  # noqa: BLE001  classified, whatever the library raises
            raise _meaning(error, self._redaction()) from None
        return TAKEN

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # it is gone either way
                await asyncio.to_thread(client.close)

    def _put(self, client: "S3Client", batch: Sequence[Event]) -> None:
        body = self._codec.pack(b"".join(event.body + b"\n" for event in batch))
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        client.put_object(
            Bucket=self._bucket,
            Key=f"{self._prefix}{self._run}/records-{batch[0].sequence:012d}{self._suffix}",
            Body=body,
            ContentMD5=base64.b64encode(digest).decode(),
            ContentType=_CONTENT_TYPES[self._compress],
            Metadata={
                "events": str(len(batch)),
                "first-sequence": str(batch[0].sequence),
                "last-sequence": str(batch[-1].sequence),
            },
        )

    def _redaction(self) -> Redaction:
        """Return the filter for secrets, with those that botocore has found by itself."""
        redaction = self._url.redaction
        with contextlib.suppress(Exception):  # they are not available now; then they were not sent either
            for secret in self._credentials.get_frozen_credentials() if self._credentials is not None else ():
                if secret and secret not in self._found:
                    self._found.add(secret)
                    redaction.add(secret)
        return redaction

    def _make_client(self) -> "S3Client":
        import boto3  # noqa: PLC0415  an extra, and 300 ms

        options = self._url.options
        keys = {name: self._url.secret(name) for name in ("access_key", "secret_key", "session_token")}
        revealed = {name: secret.reveal() if secret is not None else None for name, secret in keys.items()}
        # A session of our own: the default one is shared with all other users of boto3 in this process.
        session = boto3.session.Session()
        self._credentials = session.get_credentials() if revealed["access_key"] is None else None
        return session.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=options.region,
            aws_access_key_id=revealed["access_key"],
            aws_secret_access_key=revealed["secret_key"],
            aws_session_token=revealed["session_token"],
            verify=(options.ca_file or None) if options.verify else False,
            config=_config(options),
        )


def _config(options: S3Options) -> "Config":
    from botocore.config import Config  # noqa: PLC0415  an extra

    certificate, key = options.cert_file, options.key_file
    return Config(
        connect_timeout=options.timeout,
        read_timeout=options.timeout,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": options.addressing},
        signature_version="s3v4",
        request_checksum_calculation="when_required",  # Content-MD5 is what every store understands
        client_cert=(certificate, key) if certificate and key else certificate,
        proxies={},  # none of the environment's
    )


def _bucket_and_prefix(url: SinkUrl[S3Options]) -> tuple[str, str]:
    """Return the two parts of the path; a prefix ends with a slash unless it is empty. Raises InputError."""
    bucket, _, prefix = url.path.removeprefix("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        wrong = f": a name has 3 to 63 of A-Z a-z 0-9 . _ -, not {bucket!a}" if bucket else ""
        raise InputError(f"-o {url.shown}: the path must begin with a bucket, as in {KIND.example}{wrong}")
    if not _PREFIX.fullmatch(prefix) or "//" in prefix or ".." in prefix:
        raise InputError(f"-o {url.shown}: a prefix has up to 512 of A-Z a-z 0-9 ! _ . * ' ( ) - and single /")
    return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""


def _endpoint(url: SinkUrl[S3Options]) -> str:
    secure = url.scheme.endswith("+https")
    host, port = single_host(url, 443 if secure else 80)
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _meaning(error: BaseException, redaction: Redaction) -> Exception:
    """Return what an error of the library means to the relay."""
    from botocore.exceptions import (  # noqa: PLC0415  an extra
        ClientError,
        CredentialRetrievalError,
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
        SSLError,
        TokenRetrievalError,
    )

    if isinstance(error, ClientError):
        return _refusal(error.response, redaction)
    if isinstance(error, RecursionError):  # how botocore ends when it is sent in circles
        return AccessDeniedError("it redirects in circles: name the endpoint of the bucket's own region")
    text = _line(in_words(error), redaction)
    if isinstance(error, SSLError) and is_tls_trouble(text):
        return AccessDeniedError(text)
    if isinstance(error, NoCredentialsError):
        return AccessDeniedError(f"{text}: name keys with access_key_env= and secret_key_env=, or log in to AWS")
    lost = (CredentialRetrievalError, PartialCredentialsError, ProfileNotFound, TokenRetrievalError)
    return AccessDeniedError(text) if isinstance(error, lost) else TryLaterError(text)


def _refusal(response: Mapping[str, Any], redaction: Redaction) -> Exception:
    """Return what a failure means: by S3's own error code if there is one, else by the HTTP status."""
    about, status = response.get("Error", {}), response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    code = str(about.get("Code", ""))
    named = "" if code == str(status) else f"{code} "  # a proxy's answer has no code of S3's
    text = _line(f"HTTP {status} {named}{about.get('Message', '')}".rstrip(), redaction)
    if code == "EntityTooLarge" or status == 413:
        return TooLargeError(text)
    # A proxy's 400 has no code of S3's: then botocore gives the status as the code.
    if code in _PASSING or status in (408, 409, 425, 429) or status >= 500 or code == "400":
        return TryLaterError(text, retry_after_s(headers.get("retry-after"), time.time()), answered=True)
    return AccessDeniedError(f"{text}: {_ADVICE[code]}" if code in _ADVICE else text)


def _line(text: str, redaction: Redaction) -> str:
    """Return a text of the store or the library as one printable line without secrets."""
    return printable(redaction.clean(" ".join(text.split()))[:400])


KIND = SinkKind(
    summary="S3-compatible object store: one object for each closed segment of the log (16 MiB or 5 minutes)",
    example="s3+https://s3.eu-central-1.amazonaws.com/bucket/prefix?region=eu-central-1",
    formats=("native", "ecs", "ocsf", "gelf", "cef", "leef"),
    make=S3Receiver,
    options=S3Options,
    secrets=("access_key", "secret_key", "session_token"),
)
