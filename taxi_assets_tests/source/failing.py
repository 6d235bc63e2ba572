from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def failing(error: type[BaseException], text: str | None, *, inbox: Path) -> Iterator[None]:
    """A fetch that must fail, with that text if one is given, and leave nothing behind."""
    with pytest.raises(error, match=text):
        yield
    assert list(inbox.rglob("*")) == []
