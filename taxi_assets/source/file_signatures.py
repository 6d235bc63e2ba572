"""What arrives in place of a file, told by its first bytes."""

import re
from pathlib import Path

_HEAD_BYTES = 2000

# The first pattern that matches tells what it is and what to do; {} is what the pattern's group caught.
_WRONG_FILES: tuple[tuple[bytes, str, str], ...] = (
    (rb"\s*\Z", "empty", "fetch it again"),
    (rb"PARE", "Parquet with an encrypted footer", "take it from a source that publishes it in the clear"),
    (rb"version https://git-lfs", "a Git LFS pointer", "run `git lfs pull` where the source keeps its files"),
    (
        rb"(?s)\s*<(?:\?xml|Error).*<Code>([^<]{1,64})</Code>",
        "an XML error page (<Code>{}</Code>)",
        "check the month and the source's address",
    ),
    (
        rb"(?i)\s*(?:<!doctype html|<html)",
        "an HTML page, often a proxy's or a login's",
        "open the address in a browser to see what it says",
    ),
    (rb"\s*<", "an XML page", "check the source's address"),
    (rb"\s*[{\[]", "a JSON answer", "check the source's address"),
    (rb"\x1f\x8b", "compressed with gzip", "take it from a source that sends it as it is"),
)


# How files begin by their suffix, and what they are.
_SIGNATURES = {
    ".parquet": (rb"PAR1", "a readable Parquet file"),
    ".csv": (rb"(\xef\xbb\xbf)?\"?LocationID", "the zone lookup"),
    ".zip": (rb"PK", "a zipped shapefile"),
}


def signature_mismatch(path: Path) -> str | None:
    """What the file is, of which only the beginning need be there; None where it begins as its suffix promises."""
    signature, expected = _SIGNATURES[path.suffix]
    with path.open("rb") as file:
        return None if re.match(signature, file.read(_HEAD_BYTES)) else describe_wrong_file(path, expected)


def describe_wrong_file(path: Path, expected: str) -> str:
    """What the file is in place of what was expected, and what to do about it."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    for pattern, what, advice in _WRONG_FILES:
        if match := re.match(pattern, head):
            caught = (group.decode("ascii", "replace") for group in match.groups())
            return f"{path.name} is {what.format(*caught)}, not {expected}; {advice}"
    return f"{path.name} begins with {head[:24]!r}, so it is not {expected}; check the source's address"
