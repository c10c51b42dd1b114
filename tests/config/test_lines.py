"""Every key has its line."""

from __future__ import annotations

import tomllib

from dragoman.config.lines import key_lines, line_of

TEXT = '''\
top = 1
a.b = 2
[t]
x = [
  1, # ]
  "]",
]
y = """
z = 1
"""
"q.r" = 3
[t.u]
v = { w = 1, s = "}" }
k = 'a#b'  # c
[[many]]
n = 1
[[many]]
n = 2
'''


def test_lines_of_keys() -> None:
    tomllib.loads(TEXT)
    lines = key_lines(TEXT)
    assert lines == {
        ("top",): 1,
        ("a", "b"): 2,
        ("t",): 3,
        ("t", "x"): 4,
        ("t", "y"): 8,
        ("t", "q.r"): 11,
        ("t", "u"): 12,
        ("t", "u", "v"): 13,
        ("t", "u", "k"): 14,
        ("many",): 15,
        ("many", "n"): 16,
    }


def test_an_inner_key_has_the_line_of_what_holds_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("t", "u", "v", "w")) == 13
    assert line_of(lines, ("gone",)) is None
