"""Claims about `delivery.receivers.gelf`."""

import json
import ssl

import orjson

from scanner.delivery.receivers import gelf
from scanner.delivery.receivers.receiver import TAKEN, RefusedEvent
from scanner.formats import make_format
from tests.receivers import hostile
from tests.support.certificates import Pem
from tests.support.syslog_collector import Collector, event, receiver


async def test_gelf_objects_are_ended_by_nul_and_those_that_would_break_it_are_refused(collector: Collector) -> None:
    one = receiver(f"gelf+tcp://127.0.0.1:{collector.port}?max_bytes=1024", gelf.KIND)
    await one.open("run")
    receipt = await one.send([event(1, b'{"a":1}'), event(2, b"x\0y"), event(3, b"x" * 1025), event(4, b"x" * 1024)])
    assert (await one.send([event(5, b"\0")])).refused == (RefusedEvent(0, "holds a NUL, which would end it"),)
    await one.close()
    assert bytes(collector.said[0]) == b'{"a":1}\0' + b"x" * 1024 + b"\0"
    assert receipt.refused == (
        RefusedEvent(1, "holds a NUL, which would end it"),
        RefusedEvent(2, "larger than max_bytes=1024"),
    )


async def test_what_hostile_servers_say_comes_out_of_a_gelf_stream_one_object_an_event(collector: Collector) -> None:
    """Taken apart at each NUL and parsed by the standard library's JSON, as Graylog's input would: none is forged."""
    form = make_format("gelf")
    events = [one for line in hostile.lines() for one in form.events(orjson.loads(line), line.rstrip(b"\n"))]
    one = receiver(f"gelf+tcp://127.0.0.1:{collector.port}", gelf.KIND)
    await one.open("run")
    assert await one.send(events) == TAKEN
    await one.close()
    *objects, rest = bytes(collector.said[0]).split(b"\0")
    assert rest == b""
    found = [json.loads(raw) for raw in objects]
    assert [(each["_event_id"], each["host"], each["full_message"]) for each in found] == [
        (document["event_id"], "smtpsweep", document["banner"]["text"]) for document in hostile.documents()
    ]


async def test_gelf_over_tls_verifies_the_server(pem: Pem) -> None:
    collector = await Collector().start(pem.server(ssl.TLSVersion.TLSv1_3))
    one = receiver(f"gelf+tls://127.0.0.1:{collector.port}?ca_file={pem.own}", gelf.KIND)
    await one.open("run")
    assert await one.send([event(1, b"{}")]) == TAKEN
    await one.close()
    assert bytes(collector.said[0]) == b"{}\0"
    await collector.stop()
