"""What is written where the terminal is not one of Unicode."""

import io
import sys

import pytest

from taxi_assets.cli.console import use_ascii_fallback


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("latin-1", "* ~ o x . . é ?\n".encode("latin-1")),
        ("ascii", b"* ~ o x . . ? ?\n"),
        ("utf-8", "● ◐ ○ ✗ · … é 日\n".encode()),
    ],
)
def test_symbols_are_written_as_the_terminal_can_show_them(
    monkeypatch: pytest.MonkeyPatch, encoding: str, written: bytes
) -> None:
    screen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(screen, encoding=encoding))
    use_ascii_fallback()
    sys.stdout.write("● ◐ ○ ✗ · … é 日\n")
    sys.stdout.flush()
    assert screen.getvalue() == written
