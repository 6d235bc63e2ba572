"""File signatures: what a file is by its first bytes, where it is not of the kind that its suffix says."""

import re
from pathlib import Path

_HEAD_BYTES = 2000

# (pattern, what the file is, advice); the first match counts, and {} stands for the pattern's group.
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


# Suffix -> (pattern of the first bytes, kind of file).
_SIGNATURES = {
    ".parquet": (rb"PAR1", "a readable Parquet file"),
    ".csv": (rb"(\xef\xbb\xbf)?\"?LocationID", "the zone lookup"),
    ".zip": (rb"PK", "a zipped shapefile"),
}


def signature_mismatch(path: Path) -> str | None:
    """A sentence for a file, or the first bytes of one, without its suffix's signature; None where it has it."""
    signature, expected = _SIGNATURES[path.suffix]
    with path.open("rb") as file:
        return None if re.match(signature, file.read(_HEAD_BYTES)) else describe_wrong_file(path, expected)


def describe_wrong_file(path: Path, expected: str) -> str:
    """A sentence: what the file is instead of the expected kind, and what to do."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    for pattern, what, advice in _WRONG_FILES:
        if match := re.match(pattern, head):
            caught = (group.decode("ascii", "replace") for group in match.groups())
            return f"{path.name} is {what.format(*caught)}, not {expected}; {advice}"
    return f"{path.name} begins with {head[:24]!r}, so it is not {expected}; check the source's address"
