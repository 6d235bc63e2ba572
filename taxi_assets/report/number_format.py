"""Numbers as a page shows them."""

TEXT_LIMIT = 1e12  # from here on in powers of ten in a sentence: nobody counts the digits
CHART_LIMIT = 1e6  # and from here on in a chart, which is as narrow as a phone


def number_text(value: float, decimals: int, long: float = TEXT_LIMIT) -> str:
    """The number with thousands separated, or as 1.2e+12 where it is a long one."""
    return f"{value:,.{decimals}f}" if abs(value) < long else f"{value:.2g}"


def amount_text(value: float, prefix: str, decimals: int, long: float = TEXT_LIMIT) -> str:
    """The number with what stands before it, as $12.30 or -$12.30."""
    return f"{'-' if value < 0 else ''}{prefix}{number_text(abs(value), decimals, long)}"
