"""The one rounding of the demo, at its edge: sums and counts are integers until here."""

from decimal import Decimal
from fractions import Fraction


def mean(total: int, count: int) -> float | None:
    """The exact quotient rounded half to even at two decimals, or None where nothing was counted."""
    if count == 0:
        return None
    hundredths = round(Fraction(100 * total, count))  # of a Fraction: exact, half to even
    return float(Decimal(hundredths).scaleb(-2))
