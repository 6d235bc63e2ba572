"""Number formats of the page."""

# From these on, numbers are in exponent notation: in sentences, and in charts, which must fit a phone.
TEXT_LIMIT = 1e12
CHART_LIMIT = 1e6
_LEAST_SHARE = 0.001


def number_text(value: float, decimals: int, long: float = TEXT_LIMIT) -> str:
    """The number with thousands separators; from the limit `long` on as 1.2e+12."""
    return f"{value:,.{decimals}f}" if abs(value) < long else f"{value:.2g}"


def amount_text(value: float, prefix: str, decimals: int, long: float = TEXT_LIMIT) -> str:
    """The number with a prefix, as $12.30 or -$12.30."""
    return f"{'-' if value < 0 else ''}{prefix}{number_text(abs(value), decimals, long)}"


def large_text(value: float, prefix: str = "") -> str:
    """A number that may be billions with a prefix, for a tile: $3.7B, 12.5M, 99,999."""
    for size, suffix in ((1e9, "B"), (1e6, "M")):
        if abs(value) >= size:
            return f"{amount_text(value / size, prefix, 1)}{suffix}"
    return amount_text(value, prefix, 0)


def share_text(count: int, total: int) -> str:
    """The count as a share of the total; a share that would be shown as 0.0% is under 0.1%."""
    share = count / total
    return "under 0.1%" if 0 < share < _LEAST_SHARE else f"{share:.1%}"
