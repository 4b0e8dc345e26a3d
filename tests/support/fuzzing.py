"""Seeded fuzzing: inputs as an attacker, or a failing disk, would make them.

`FUZZ_CASES=10000 python -m pytest tests/fuzzing/test_hostile_*.py` tries more of them than the few of every day.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apparel.errors import UserError

CASES = int(os.environ.get("FUZZ_CASES", "150"))
SECONDS = 60
"""Of the processor's time for one input; more is a hang."""
WAITED = 600
"""Seconds on the clock for one input: a hang that waits. On a busy machine the processor comes late."""

TOKENS = [
    *(b"<", b">", b"&", b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"]]>", b"<![CDATA["),
    *(b"nan", b"-inf", b"1e309", b"-1", b"0", b"9" * 400, b"0x10", b"1_0", "١٢".encode(), b"True", b"-0.0", b"1e-320"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#x110000;", b"<?xml version='1.0' encoding='utf-16'?>"),
    *(b"<object>", b"</object>", b"<bndbox/>", b"<part>", b"</annotation>", b"<size/>", b"<name/>", b"xmlns='x'"),
    *(b"../../a.jpg", b"C:\\a.jpg", b"\xf0\x9f\x91\x97", b"\xed\xa0\x80", b"\x1b[31m", b"<a>" * 300, b"x" * 10_000),
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xc3\x50", b"PK\x01\x02", b"IHDR", b"\xff\xd8"),
]

NAMES = [
    *("a b.jpg", 'it\'s "quoted".jpg', "two\nlines.xml", "tab\t.jpg", "ünïcödé 👗.jpg", "-rf.jpg", "--help.xml"),
    *(
        "../up.jpg",
        "/abs.jpg",
        "C:\\drive.jpg",
        "a/../../up.xml",
        "nul\0byte.jpg",
        "..",
        ".",
        "",
        " ",
        "x" * 300 + ".jpg",
    ),
    *(
        "CON.jpg",
        "\u202egpj.exe",
        "\ud800.jpg",
        "a.jpg",
        "A.JPG",
        "a.xml",
        "e\u0301.jpg",
        "\u00e9.jpg",
        "b/a.jpg",
        "l.csv",
    ),
]


class Hang(BaseException):
    """No `except Exception` on the way catches it."""


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` after a few cuts, copies, insertions and overwritten stretches."""
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 5, 50])))
        noise = st.binary(min_size=end - start, max_size=end - start)
        middle = draw(st.sampled_from([b"", data[start:end] * 2]) | st.sampled_from(TOKENS) | noise)
        data = data[:start] + middle + data[end:]
    return data


def outcomes(inputs: st.SearchStrategy, attempt: Callable[[Any], None], named: str) -> Counter:
    """Tries `CASES` inputs; counts those `taken` and those `refused` by a `UserError`, which has to say `named`."""
    counts: Counter = Counter()

    @settings(max_examples=CASES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def each(case: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(WAITED)
        try:
            attempt(case)
        except UserError as error:
            assert named in str(error)
            assert "\n" not in str(error)
            counts["refused"] += 1
        else:
            counts["taken"] += 1
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)

    before = {number: signal.signal(number, _hang) for number in (signal.SIGPROF, signal.SIGALRM)}
    try:
        each()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return counts


def tree(folder: Path) -> set[str]:
    """Every file and folder below."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def _hang(*_: object) -> None:
    raise Hang
