"""Durations and sizes as people read them."""

from musedeep.cli.text import duration, size_text


def test_durations_and_sizes():
    assert [duration(s) for s in (2.34, 61, 600, 7300)] == ["2.3 s", "1 min 01 s", "10 min 00 s", "2 h 01 min"]
    assert [size_text(n) for n in (0, 1023, 2048, 3 * 2**30)] == ["0 bytes", "1023 bytes", "2 KiB", "3 GiB"]
