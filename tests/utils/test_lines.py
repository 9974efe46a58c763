import pytest

from dmn_keras.utils.lines import numbered_lines

LINES = [b"\xef\xbb\xbfone\r\n", b" \n", b"\n", b"two"]


@pytest.mark.parametrize(
    ("keep_blank", "expected"),
    [
        (False, [("f.txt, line 1", "one"), ("f.txt, line 4", "two")]),
        (True, [("f.txt, line 1", "one"), ("f.txt, line 2", " "), ("f.txt, line 3", ""), ("f.txt, line 4", "two")]),
    ],
)
def test_blank_lines_are_counted_and_yielded_on_request(keep_blank, expected):
    assert list(numbered_lines(LINES, source="f.txt", keep_blank=keep_blank)) == expected
