"""The applied rules as SQL over the view `typed`: canonical columns, `unreadable_value`, `same_row`, `source_row`."""

from collections.abc import Sequence

from taxi_assets.catalog import SOURCE_ROW, Dataset, Rule
from taxi_assets.cleaning.candidates import REFUND, TOLD
from taxi_assets.month import Month


class Conditions:
    """What the applied rules ask of the rows of one month.

    Attributes:
        marks: rule -> the bit that stands for it, in the rules' order.
    """

    def __init__(self, dataset: Dataset, month: Month, rules: Sequence[Rule]) -> None:
        self.marks = {rule.name: 1 << bit for bit, rule in enumerate(rules)}
        times = (column.name for column in dataset.columns if not column.nullable)
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
        self._by_row = {name: conditions[name] for name in self.marks if name in conditions}
        self._trip = dataset.trip_identity
        self._cents = f"round({dataset.total} * 100)"

    @property
    def suspicion(self) -> str:
        """Columns for `suspects`: what a row tells by itself, and what a trip and its refund record have in common."""
        told = {" OR ".join(f"({condition})" for condition in self._by_row.values()): TOLD}
        columns = []
        if "duplicate" in self.marks:
            columns.append("same_row")
        if "voided_trip" in self.marks:
            told[f"{self._cents} < 0"] = REFUND
            columns.append(
                f"{fingerprint(['pickup_datetime', 'dropoff_datetime', f'abs({self._cents})'])} AS same_trip"
            )
        bits = " + ".join(f"CASE WHEN {condition} THEN {bit} ELSE 0 END" for condition, bit in told.items())
        return ", ".join([f"CAST({bits} AS UTINYINT) AS told", *columns])

    def broken(self, lookalikes: str, compared: str) -> str:
        """A query for the rows that break a rule: `source_row` and `marks`; a row may come more than once.

        Args:
            lookalikes: the rows that may repeat another one, in SQL: as they are in the file, and `source_row`.
            compared: the columns in which rows are equal that repeat one another.
        """
        marks = " + ".join(f"CASE WHEN {one} THEN {self.marks[name]} ELSE 0 END" for name, one in self._by_row.items())
        queries = [f"SELECT {SOURCE_ROW}, {marks} AS marks FROM typed WHERE marks > 0"]
        if "voided_trip" in self.marks:
            queries.append(f"SELECT {SOURCE_ROW}, {self.marks['voided_trip']} FROM {self._voided()}")
        if "duplicate" in self.marks:
            queries.append(
                f"(SELECT {SOURCE_ROW}, {self.marks['duplicate']} FROM {lookalikes} "
                f"QUALIFY row_number() OVER (PARTITION BY {compared} ORDER BY {SOURCE_ROW}) > 1)"
            )
        return " UNION ALL ".join(queries)

    def _voided(self) -> str:
        """Trips whose refund record is in the file; NULL equals NULL, amounts are compared in whole cents."""
        names = ", ".join(self._trip)
        return (
            f"typed SEMI JOIN (SELECT {names}, {self._cents} AS cents FROM typed WHERE cents < 0) AS refunds "
            f"ON {self._same_trip('refunds')} AND {self._cents} = -refunds.cents"
        )

    def refunds_of(self, trip: str) -> str:
        """A query for the positions of the refund records in `typed` of one trip, given as a view like `typed`."""
        names = ", ".join(self._trip)
        return (
            f"SELECT {SOURCE_ROW} FROM typed SEMI JOIN (SELECT {names}, {self._cents} AS cents FROM {trip}) AS trip "
            f"ON {self._same_trip('trip')} AND {self._cents} = -trip.cents ORDER BY {SOURCE_ROW}"
        )

    def _same_trip(self, other: str) -> str:
        return " AND ".join(f"typed.{name} IS NOT DISTINCT FROM {other}.{name}" for name in self._trip)


def fingerprint(expressions: Sequence[str]) -> str:
    """Four bytes, in SQL, that are equal where all of the expressions are."""
    return f"CAST(hash({', '.join(expressions)}) & 4294967295 AS UINTEGER)"
