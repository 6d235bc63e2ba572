"""Cleaning rules, in order of precedence: the first rule that a row breaks becomes its `rule` in quarantine."""

from collections.abc import Iterable

from taxi_assets.catalog.model import Dataset, Rule
from taxi_assets.catalog.zone_schema import LAST_ZONE
from taxi_assets.errors import InvalidRequest

RULES = (
    Rule(
        "unreadable_value",
        "a value cannot be read as its column's type: not a whole number, not a time, out of range",
        always=True,
    ),
    Rule("missing_time", "no pickup time, or no drop-off time (fhv may lack the drop-off)"),
    Rule(
        "stray_month",
        "pickup more than one day outside the file's month: a late trip stays, a broken clock goes",
        predicate="pickup_datetime < {month_start} - INTERVAL 1 DAY OR pickup_datetime >= {month_end} + INTERVAL 1 DAY",
    ),
    Rule("negative_duration", "drop-off before pickup", predicate="dropoff_datetime < pickup_datetime"),
    Rule(
        "impossible_duration",
        "drop-off more than 24 hours after pickup",
        predicate="epoch_us(dropoff_datetime) - epoch_us(pickup_datetime) > 86400000000",
    ),
    Rule(
        "impossible_distance",
        "distance below 0 or above 500 miles",
        required_columns=("distance",),
        predicate="{distance} < 0 OR {distance} > 500",
    ),
    Rule(
        "unknown_zone",
        f"a location id that is there and not in 1..{LAST_ZONE}",
        required_columns=("pickup_location_id", "dropoff_location_id"),
        predicate=" OR ".join(f"{end}_location_id NOT BETWEEN 1 AND {LAST_ZONE}" for end in ("pickup", "dropoff")),
    ),
    Rule(
        "negative_amount",
        "total amount below 0: a refund or void record",
        required_columns=("total",),
        predicate="{total} < 0",
    ),
    Rule(
        "voided_trip",
        "its refund record is in the same file: same vendor, times and zones, the opposite total to the cent",
        required_columns=("total",),
    ),
    Rule("duplicate", "every column equal to an earlier row of the file"),
    Rule(
        "no_passengers",
        "passenger count 0 or missing",
        default=False,
        required_columns=("passenger_count",),
        predicate="coalesce(passenger_count, 0) <= 0",
    ),
    Rule(
        "no_distance",
        "distance 0 or missing",
        default=False,
        required_columns=("distance",),
        predicate="coalesce({distance}, 0) <= 0",
    ),
)

DEFAULT_RULES = tuple(rule.name for rule in RULES if rule.default)


def select_rules(dataset: Dataset, names: Iterable[str]) -> tuple[Rule, ...]:
    """The rules with these names and those that always apply, in `RULES`' order, that are applicable to the dataset.

    Raises:
        InvalidRequest: there is no rule of such a name; the text lists the rules.
    """
    asked = set(names)
    unknown = sorted(asked - {rule.name for rule in RULES})
    if unknown:
        raise InvalidRequest(
            f"no such rule: {', '.join(unknown)}. The rules are {', '.join(rule.name for rule in RULES)}"
        )
    return tuple(rule for rule in RULES if (rule.name in asked or rule.always) and rule.applies_to(dataset))
