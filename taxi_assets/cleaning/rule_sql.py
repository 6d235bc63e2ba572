"""SQL of the applied rules over the view `typed`: canonical columns, `unreadable_value`, fingerprint and position.

Row-level predicates come from the catalogue; here are the rules that take other rows (`voided_trip`, `duplicate`), the
casts (`unreadable_value`) or the columns' nullability (`missing_time`).
"""

from collections.abc import Sequence

from taxi_assets.catalog import SOURCE_ROW, Dataset, Rule
from taxi_assets.cleaning.candidates import BREAKS_RULE, IS_REFUND
from taxi_assets.month import Month


class RuleSql:
    """Generates the queries that evaluate the applied rules on one month.

    Attributes:
        bits: rule -> its bit in `rule_bits`, ascending in order of precedence.
    """

    def __init__(self, dataset: Dataset, month: Month, rules: Sequence[Rule]) -> None:
        self.bits = {rule.name: 1 << bit for bit, rule in enumerate(rules)}
        times = sorted(column.name for column in dataset.columns if not column.nullable)
        conditions = {
            "unreadable_value": "unreadable_value",
            "missing_time": " OR ".join(f"{name} IS NULL" for name in times),
        }
        for rule in rules:
            if rule.predicate is not None:
                conditions[rule.name] = rule.predicate.format(
                    distance=dataset.distance,
                    total=dataset.total,
                    month_start=f"TIMESTAMP '{month.first_day}'",
                    month_end=f"TIMESTAMP '{month.plus(1).first_day}'",
                )
        self._row_conditions = {name: conditions[name] for name in self.bits if name in conditions}
        self._trip = dataset.trip_identity
        self._cents = f"round({dataset.total} * 100)"

    @property
    def candidate_columns(self) -> str:
        """Select list for `find_candidates`: the row's flags, and the fingerprints that the applied rules need."""
        flags = {" OR ".join(f"({condition})" for condition in self._row_conditions.values()): BREAKS_RULE}
        columns = []
        if "duplicate" in self.bits:
            columns.append("row_fingerprint")
        if "voided_trip" in self.bits:
            flags[f"{self._cents} < 0"] = IS_REFUND
            columns.append(
                f"{fingerprint(['pickup_datetime', 'dropoff_datetime', f'abs({self._cents})'])} AS trip_fingerprint"
            )
        bits = " + ".join(f"CASE WHEN {condition} THEN {bit} ELSE 0 END" for condition, bit in flags.items())
        return ", ".join([f"CAST({bits} AS UTINYINT) AS row_flags", *columns])

    def broken_rules_query(self, repeated_rows: str, compared: str) -> str:
        """A query for the rows that break a rule: `source_row` and `rule_bits`; a row may appear more than once.

        Args:
            repeated_rows: SQL relation with the rows that may be duplicates: the file's columns and `source_row`.
            compared: the columns in which duplicates are equal, as a select list.
        """
        rule_bits = " + ".join(
            f"CASE WHEN {one} THEN {self.bits[name]} ELSE 0 END" for name, one in self._row_conditions.items()
        )
        queries = [f"SELECT {SOURCE_ROW}, {rule_bits} AS rule_bits FROM typed WHERE rule_bits > 0"]
        if "voided_trip" in self.bits:
            queries.append(f"SELECT {SOURCE_ROW}, {self.bits['voided_trip']} FROM {self._voided_trips()}")
        if "duplicate" in self.bits:
            queries.append(
                f"(SELECT {SOURCE_ROW}, {self.bits['duplicate']} FROM {repeated_rows} "
                f"QUALIFY row_number() OVER (PARTITION BY {compared} ORDER BY {SOURCE_ROW}) > 1)"
            )
        return " UNION ALL ".join(queries)

    def _voided_trips(self) -> str:
        """SQL relation of trips with a refund record in the file; NULL equals NULL, amounts are compared in cents."""
        names = ", ".join(self._trip)
        return (
            f"typed SEMI JOIN (SELECT {names}, {self._cents} AS cents FROM typed WHERE cents < 0) AS refunds "
            f"ON {self._same_trip('refunds')} AND {self._cents} = -refunds.cents"
        )

    def refunds_query(self, trip: str) -> str:
        """A query for the positions of a trip's refund records in `typed`; `trip` is a relation like `typed`."""
        names = ", ".join(self._trip)
        return (
            f"SELECT {SOURCE_ROW} FROM typed SEMI JOIN (SELECT {names}, {self._cents} AS cents FROM {trip}) AS trip "
            f"ON {self._same_trip('trip')} AND {self._cents} = -trip.cents ORDER BY {SOURCE_ROW}"
        )

    def _same_trip(self, other: str) -> str:
        return " AND ".join(f"typed.{name} IS NOT DISTINCT FROM {other}.{name}" for name in self._trip)


def fingerprint(expressions: Sequence[str]) -> str:
    """SQL: a 32-bit hash of the expressions."""
    return f"CAST(hash({', '.join(expressions)}) & 4294967295 AS UINTEGER)"
