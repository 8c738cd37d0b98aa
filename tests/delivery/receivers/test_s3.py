"""Claims about `delivery.receivers.s3` without a server: URLs, keys and bytes of objects, and what errors mean."""

import asyncio
import base64
import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from botocore import exceptions

from scanner.delivery.receivers import s3
from scanner.delivery.receivers.receiver import AccessDeniedError, TooLargeError, TryLaterError
from scanner.delivery.receivers.s3 import S3Receiver
from scanner.delivery.redaction import Redaction
from scanner.delivery.relay.destination import make_destinations
from scanner.errors import InputError
from scanner.formats import Event
from tests.support.certificates import make_certificate
from tests.support.sink_receivers import receiver_of

WHERE = "s3+http://127.0.0.1:8333/bucket"


class Store:
    """Takes what is put, as the client would."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.put: list[dict[str, Any]] = []
        self._failure = failure

    def put_object(self, **request: Any) -> None:
        if self._failure is not None:
            raise self._failure
        self.put.append(request)

    def close(self) -> None:
        raise OSError


def receiver(url: str) -> S3Receiver:
    return receiver_of(url, S3Receiver)


def batch(first: int, count: int = 2) -> list[Event]:
    return [Event(f"id-{n}", "192.0.2.1 25", None, 6, b'{"n":%d}' % n, n) for n in range(first, first + count)]


async def put(url: str, store: Store, first: int = 2) -> None:
    one = receiver(url)
    one._run, one._client = "run-1", store  # type: ignore[assignment]  # a fake
    await one.send(batch(first))
    await one.close()


@pytest.mark.parametrize(
    "path", ["", "/", "/ab", "/a%0abc", "/-bucket", "/bu%20cket", "/" + "b" * 64, "//bucket", "/../x"]
)
def test_the_path_must_begin_with_a_bucket(path: str) -> None:
    with pytest.raises(InputError, match="the path must begin with a bucket"):
        receiver(f"s3+http://127.0.0.1{path}")


@pytest.mark.parametrize(
    "prefix", ["a//b", "a/../b", "a%20b", "a%00", "%C3%A4", "x" * 513, "a?b=c".replace("?", "%3F")]
)
def test_a_prefix_that_is_not_safe_in_keys_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match="a prefix has up to 512 of"):
        receiver(f"{WHERE}/{prefix}")


def test_one_host_must_be_named() -> None:
    with pytest.raises(InputError, match="must name one host"):
        receiver("s3+http://127.0.0.1,127.0.0.2/bucket")


def test_keys_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k3y")
    for one in ("access_key", "secret_key"):
        with pytest.raises(InputError, match="go together"):
            receiver(f"{WHERE}?{one}_env=KEY")
    receiver(f"{WHERE}?access_key_env=KEY&secret_key_env=KEY")


def test_a_secret_in_the_url_is_refused() -> None:
    with pytest.raises(InputError, match="a secret must not stand in a URL") as caught:
        receiver(f"{WHERE}?secret_key=s3cret")
    assert "s3cret" not in str(caught.value)


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs boto3: pip install 'smtpsweep\[s3\]'"):
        receiver(WHERE)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3+http://127.0.0.1/bucket", "http://127.0.0.1:80"),
        ("s3+http://127.0.0.1:8333/bucket", "http://127.0.0.1:8333"),
        ("s3+https://[2001:db8::1]/bucket", "https://[2001:db8::1]:443"),
        ("s3+https://s3.example.com/bucket/a/b", "https://s3.example.com:443"),
    ],
)
def test_the_endpoint_is_host_and_port(url: str, endpoint: str) -> None:
    assert receiver(url)._endpoint == endpoint


def test_plain_text_to_another_machine_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    receiver(WHERE)
    assert not caplog.records
    receiver("s3+http://192.0.2.1/bucket")
    assert "without TLS" in caplog.text


def test_a_certificate_that_cannot_be_read_shows_before_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ca_file"):
        receiver(f"s3+https://127.0.0.1/bucket?ca_file={tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("", "run-1/records-000000000002.jsonl.gz"),
        ("/", "run-1/records-000000000002.jsonl.gz"),
        ("/a/b/", "a/b/run-1/records-000000000002.jsonl.gz"),
        ("/a?compress=zstd", "a/run-1/records-000000000002.jsonl.zst"),
        ("/a?compress=none", "a/run-1/records-000000000002.jsonl"),
        ("?format=cef&compress=none", "run-1/records-000000000002.log"),
        ("?format=leef", "run-1/records-000000000002.log.gz"),
        ("?format=ecs", "run-1/records-000000000002.jsonl.gz"),
    ],
)
async def test_the_key_is_prefix_run_and_number_of_the_first_event(more: str, key: str) -> None:
    store = Store()
    await put(WHERE + more, store)
    assert store.put[0]["Key"] == key
    assert store.put[0]["Bucket"] == "bucket"


async def test_the_same_batch_is_the_same_object_byte_for_byte_with_its_digest() -> None:
    store = Store()
    await put(WHERE, store)
    await put(WHERE, store)
    assert store.put[0] == store.put[1]
    body = store.put[0]["Body"]
    assert gzip.decompress(body) == b'{"n":2}\n{"n":3}\n'
    assert base64.b64decode(store.put[0]["ContentMD5"]) == hashlib.md5(body, usedforsecurity=False).digest()
    assert store.put[0]["Metadata"] == {"events": "2", "first-sequence": "2", "last-sequence": "3"}
    assert store.put[0]["ContentType"] == "application/gzip"


async def test_zstd_and_plain_objects_hold_the_same_lines() -> None:
    store = Store()
    await put(f"{WHERE}?compress=zstd", store)
    await put(f"{WHERE}?compress=none", store)
    assert (
        zstandard.ZstdDecompressor().decompress(store.put[0]["Body"]) == store.put[1]["Body"] == b'{"n":2}\n{"n":3}\n'
    )
    assert [request["ContentType"] for request in store.put] == ["application/zstd", "application/x-ndjson"]


async def test_an_event_loop_goes_on_while_a_store_is_slow() -> None:
    """The store answers only after the loop has done something else."""
    entered, told = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(Store):
        def put_object(self, **request: Any) -> None:
            loop.call_soon_threadsafe(entered.set)
            asyncio.run_coroutine_threadsafe(told.wait(), loop).result(10)
            super().put_object(**request)

    store = Slow()
    sending = asyncio.create_task(put(WHERE, store))
    await entered.wait()
    told.set()
    await sending
    assert len(store.put) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", AccessDeniedError),
        (403, "SignatureDoesNotMatch", AccessDeniedError),
        (403, "RequestTimeTooSkewed", AccessDeniedError),
        (401, "401", AccessDeniedError),
        (400, "ExpiredToken", AccessDeniedError),
        (400, "AuthorizationHeaderMalformed", AccessDeniedError),
        (400, "InvalidRequest", AccessDeniedError),
        (404, "NoSuchBucket", AccessDeniedError),
        (301, "PermanentRedirect", AccessDeniedError),
        (405, "MethodNotAllowed", AccessDeniedError),
        (400, "EntityTooLarge", TooLargeError),
        (413, "413", TooLargeError),
        (400, "400", TryLaterError),
        (400, "RequestTimeout", TryLaterError),
        (400, "BadDigest", TryLaterError),
        (400, "IncompleteBody", TryLaterError),
        (408, "408", TryLaterError),
        (409, "OperationAborted", TryLaterError),
        (429, "TooManyRequests", TryLaterError),
        (500, "InternalError", TryLaterError),
        (503, "SlowDown", TryLaterError),
        (507, "507", TryLaterError),
    ],
)
async def test_an_answer_never_blames_a_record(status: int, code: str, kind: type[Exception]) -> None:
    answer = {"Error": {"Code": code, "Message": "said\nso"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    failure = exceptions.ClientError(answer, "PutObject")  # type: ignore[arg-type]  # less than a real one has
    with pytest.raises(kind) as caught:
        await put(WHERE, Store(failure))
    assert type(caught.value) is kind
    named = "" if code == str(status) else f"{code} "  # a proxy's answer has no code of S3's, and is not said twice
    assert str(caught.value).startswith(f"HTTP {status} {named}said so")


def test_a_pause_that_the_store_asks_for_is_handed_on() -> None:
    about = {"HTTPStatusCode": 503, "HTTPHeaders": {"retry-after": "7"}}
    meaning = s3._refusal({"Error": {"Code": "SlowDown"}, "ResponseMetadata": about}, Redaction())
    assert isinstance(meaning, TryLaterError)
    assert meaning.after_s == 7


def test_an_answer_without_anything_in_it_needs_a_person() -> None:
    assert str(s3._refusal({}, Redaction())) == "HTTP 0"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="http://x"), TryLaterError),
        (exceptions.ConnectTimeoutError(endpoint_url="http://x"), TryLaterError),
        (exceptions.ReadTimeoutError(endpoint_url="http://x"), TryLaterError),
        (exceptions.ConnectionClosedError(endpoint_url="http://x"), TryLaterError),
        (exceptions.SSLError(endpoint_url="http://x", error=ValueError("bad")), TryLaterError),
        (OSError("broken"), TryLaterError),
        (exceptions.NoCredentialsError(), AccessDeniedError),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), AccessDeniedError),
        (exceptions.CredentialRetrievalError(provider="x", error_msg="y"), AccessDeniedError),
        (exceptions.ProfileNotFound(profile="x"), AccessDeniedError),
    ],
)
def test_what_the_library_raises_is_classified(failure: Exception, kind: type[Exception]) -> None:
    assert type(s3._meaning(failure, Redaction())) is kind


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (
            exceptions.SSLError(endpoint_url="https://x", error=ValueError("CERTIFICATE_VERIFY_FAILED")),
            "CERTIFICATE_VERIFY_FAILED",
        ),
        (RecursionError("maximum recursion depth exceeded"), "it redirects in circles: name the endpoint"),
    ],
)
def test_what_no_repetition_mends_needs_a_person(failure: Exception, text: str) -> None:
    meaning = s3._meaning(failure, Redaction())
    assert isinstance(meaning, AccessDeniedError)
    assert text in str(meaning)


async def test_secrets_that_the_library_found_by_itself_are_hidden_too_and_after_a_renewal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FOUND-ACCESS-KEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found-secret-key")
    one = receiver(WHERE)
    await one.open("run")
    said = []
    for token in ("first-session-token", "renewed-session-token"):
        one._credentials.token = token
        one._client = Store(OSError(f"FOUND-ACCESS-KEY found-secret-key {token} end"))  # type: ignore[assignment]
        with pytest.raises(TryLaterError) as caught:
            await one.send(batch(1))
        said.append(str(caught.value))
    await one.close()

    assert said == ["OSError: *** *** *** end"] * 2


async def test_credentials_that_cannot_be_had_do_not_hide_what_went_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def get_frozen_credentials(self) -> None:
            raise exceptions.CredentialRetrievalError(provider="x", error_msg="y")

    one = receiver(WHERE)
    one._credentials, one._client = Gone(), Store(OSError("broken"))  # type: ignore[assignment]  # a fake
    with pytest.raises(TryLaterError, match="OSError: broken"):
        await one.send(batch(1))
    await one.close()


def test_messages_are_one_printable_line() -> None:
    text = str(s3._meaning(OSError("a\nb \x1b[31m" + "c" * 1000), Redaction()))
    assert text.isprintable()
    assert text.startswith("'OSError: a b ")
    assert len(text) < 450


async def test_the_client_is_made_as_the_url_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    certificate, key = make_certificate("127.0.0.1")
    (tmp_path / "ca.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    monkeypatch.setenv("KEY", "k3y")
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("HTTPS_PROXY", "http://192.0.2.1:3128")
    files = f"ca_file={tmp_path / 'ca.pem'}&cert_file={tmp_path / 'ca.pem'}&key_file={tmp_path / 'key.pem'}"
    one = receiver(
        f"s3+https://127.0.0.1:1/bucket?access_key_env=KEY&secret_key_env=SECRET&region=r-1&timeout=3&{files}"
    )
    await one.open("run")
    assert one._client is not None
    meta, config = one._client.meta, vars(one._client.meta.config)["_user_provided_options"]
    assert (meta.endpoint_url, meta.region_name) == ("https://127.0.0.1:1", "r-1")
    assert (config["connect_timeout"], config["read_timeout"]) == (3, 3)
    assert config["proxies"] == {}
    assert config["retries"]["total_max_attempts"] == 1  # trying again is the relay's
    assert config["client_cert"] == (str(tmp_path / "ca.pem"), str(tmp_path / "key.pem"))
    with pytest.raises(TryLaterError, match="Could not connect") as caught:
        await one.send(batch(1))
    assert "s3cret" not in str(caught.value)
    await one.close()


async def test_a_profile_that_is_not_there_needs_a_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nothere")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    one = receiver(WHERE)
    with pytest.raises(AccessDeniedError, match="nothere"):
        await one.open("run")


async def test_without_any_credentials_the_options_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # asks nobody
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    one = receiver(WHERE)
    await one.open("run")
    with pytest.raises(AccessDeniedError, match="access_key_env="):
        await one.send(batch(1))
    await one.close()


def test_a_name_that_is_too_short_for_a_bucket_is_said() -> None:
    pytest.importorskip("boto3")
    with pytest.raises(InputError, match=r"a name has 3 to 63 of A-Z a-z 0-9 \. _ -, not 'b'$"):
        make_destinations(["s3+http://127.0.0.1:1/b/p"])
