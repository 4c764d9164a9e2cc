import pytest

from musedeep.amounts import bytes_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4GiB", 4 << 30),
        ("500MiB", 500 << 20),
        ("1.5GiB", 3 << 29),
        ("500 MB", 500_000_000),
        ("2g", 2_000_000_000),
        ("1024", 1024),
        ("", 0),
        ("much", 0),
        ("GiB", 0),
        ("0GiB", 0),
        ("-4GiB", 0),
        ("infB", 0),
        ("4 apples", 0),
    ],
)
def test_amounts(text: str, expected: int) -> None:
    assert bytes_of(text) == expected
