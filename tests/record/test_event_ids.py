"""Claims about `scanner.record.event_ids`."""

from scanner.record import EventIds


def test_an_event_id_is_fixed_for_all_time() -> None:
    assert EventIds("scan").of("192.0.2.10", 25) == "a97ad9b29309b24cb2a1e2dfb55e9766"


def test_event_ids_are_the_same_from_one_object_and_in_any_order() -> None:
    ids = EventIds("scan")
    first = ids.of("192.0.2.10", 25)

    assert ids.of("192.0.2.11", 25) == EventIds("scan").of("192.0.2.11", 25)
    assert ids.of("192.0.2.10", 25) == first == EventIds("scan").of("192.0.2.10", 25)


def test_event_ids_tell_scans_addresses_and_ports_apart_also_where_their_texts_run_together() -> None:
    targets = [
        ("a", "192.0.2.1", 25),
        ("b", "192.0.2.1", 25),
        ("a", "192.0.2.1", 587),
        ("a", "192.0.2.12", 5),
        ("a", "2.192.0.2", 51),
        ("a greeting 25 192.0.2.1", "192.0.2.1", 25),
        ("1:a", "192.0.2.1", 25),
        ("", "::1", 25),
        ("", "::", 125),
        ("\u00e9", "::1", 25),
        ("e\u0301", "::1", 25),
    ]

    ids = {EventIds(scan).of(ip, port) for scan, ip, port in targets}

    assert len(ids) == len(targets)
    assert all(len(each) == 32 and set(each) <= set("0123456789abcdef") for each in ids)


def test_the_samples_of_a_target_have_ids_of_their_own_and_the_first_that_of_a_single_visit() -> None:
    ids = EventIds("scan")

    assert ids.of("192.0.2.1", 25, 0) == ids.of("192.0.2.1", 25)
    assert len({ids.of("192.0.2.1", 25, sample) for sample in range(5)}) == 5
