"""What makes a month's cleaning version another one, and what does not."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

import taxi_assets
from taxi_assets.assets.code_versions import code_versions
from taxi_assets.catalog import (
    DATASETS,
    DEFAULT_RULES,
    RULES,
    Column,
    Dataset,
    Field,
    Layer,
    dataset_named,
    select_rules,
)
from taxi_assets.cleaning.cleaning_version import CleaningVersion, cleaning_version
from taxi_assets.cleaning.rows_version import CleaningVersions, RowsVersion, version_provenance
from taxi_assets.month import Month

GREEN = dataset_named("green")
JANUARY = Month(2024, 1)
SHA256 = "0123456789abcdef" * 4
PROGRAM = """
import json, sys
import taxi_assets
from taxi_assets.assets.code_versions import code_versions
from taxi_assets.catalog import DATASETS, RULES
from taxi_assets.cleaning.cleaning_version import cleaning_version
months = {
    f"{one.name} {era.since}": str(cleaning_version(one, era.since, [rule for rule in RULES if rule.applies_to(one)]))
    for one in DATASETS for era in one.eras
}
assets = {"/".join(key): version for key, version in code_versions().items()}
print(json.dumps({"file": taxi_assets.__file__, "months": months, "assets": assets}))
"""


def by_era(dataset: Dataset, rules: tuple[str, ...] = DEFAULT_RULES) -> dict[Month, CleaningVersion]:
    return {era.since: cleaning_version(dataset, era.since, select_rules(dataset, rules)) for era in dataset.eras}


def changed(before: dict[Month, CleaningVersion], after: dict[Month, CleaningVersion]) -> dict[str, tuple[str, ...]]:
    """First month of the era -> what changed, where anything did."""
    found = {str(since): after[since].changes_since(before[since]) for since in before}
    return {since: changes for since, changes in found.items() if changes}


def with_column(dataset: Dataset, column: Column) -> Dataset:
    return replace(dataset, columns=tuple(column if one.name == column.name else one for one in dataset.columns))


def set_predicate(monkeypatch: pytest.MonkeyPatch, name: str, predicate: str) -> None:
    """Change one rule of the catalogue."""
    rules = tuple(replace(rule, predicate=predicate) if rule.name == name else rule for rule in RULES)
    monkeypatch.setattr("taxi_assets.catalog.rules.RULES", rules)


def test_months_of_one_era_have_one_version() -> None:
    rules = select_rules(GREEN, DEFAULT_RULES)
    assert cleaning_version(GREEN, Month(2024, 1), rules) == cleaning_version(GREEN, Month(2023, 2), rules)


def test_another_bound_of_a_rule_changes_the_rules_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    before = by_era(GREEN)
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0 OR {distance} > 400")
    assert changed(before, by_era(GREEN)) == {str(era.since): ("rules changed",) for era in GREEN.eras}


def test_a_rule_that_was_not_applied_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = by_era(GREEN), by_era(GREEN, ("no_distance",))
    set_predicate(monkeypatch, "no_distance", "coalesce({distance}, 0) <= 0.1")
    assert changed(before[0], by_era(GREEN)) == {}
    assert set(changed(before[1], by_era(GREEN, ("no_distance",))).values()) == {("rules changed",)}


def test_a_column_that_an_era_adds_changes_that_era_only() -> None:
    source = Column("request_source", pa.int16(), "How the trip was asked for.")
    added = GREEN.eras[-1].then("2025-06", added=[Field("request_source", pa.int64(), "request_source")])
    before = replace(GREEN, eras=(*GREEN.eras, replace(GREEN.eras[-1], since=added.since)))
    after = replace(GREEN, columns=(*GREEN.columns, source), eras=(*GREEN.eras, added))
    assert changed(by_era(before), by_era(after)) == {"2025-06": ("columns changed",)}


def test_another_value_of_a_text_changes_the_eras_in_which_the_column_is_text() -> None:
    yellow = dataset_named("yellow")
    payment = yellow.column("payment_type")
    other = with_column(yellow, replace(payment, value_mapping={**payment.value_mapping, "dis": 6}))
    texts = [
        era.since
        for era in yellow.eras
        if pa.string() in {one.physical for one in era.fields if one.column == payment.name}
    ]
    assert changed(by_era(yellow), by_era(other)) == {str(since): ("columns changed",) for since in texts}
    assert texts


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(GREEN, columns=GREEN.columns[::-1]), id="the order of columns"),
        pytest.param(replace(GREEN, description="Other trips."), id="the table's comment"),
        pytest.param(
            with_column(GREEN, replace(GREEN.column("extra"), description="Other.", index="brin")), id="a comment"
        ),
        pytest.param(
            with_column(GREEN, replace(GREEN.column("vendor_id"), codes={1: "One"})), id="the meaning of a code"
        ),
    ],
)
def test_what_no_row_shows_changes_nothing(other: Dataset) -> None:
    assert changed(by_era(GREEN), by_era(other)) == {}


def test_line_breaks_in_a_predicate_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = by_era(GREEN)
    set_predicate(monkeypatch, "impossible_distance", "{distance} < 0\n    OR {distance} > 500")
    assert changed(before, by_era(GREEN)) == {}


def test_a_rule_that_does_not_exist_any_more_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = RowsVersion(SHA256, ("no_distance",), by_era(GREEN)[GREEN.first_month])
    monkeypatch.setattr("taxi_assets.catalog.rules.RULES", [rule for rule in RULES if rule.name != "no_distance"])
    assert CleaningVersions(GREEN).changes_since(recorded, JANUARY) == ("rules changed",)


def test_a_rule_that_becomes_a_default_one_concerns_months_of_the_default_set(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {
        rules: RowsVersion(SHA256, rules, by_era(GREEN, rules or DEFAULT_RULES)[Month(2023, 2)])
        for rules in (None, ("duplicate",))
    }
    monkeypatch.setattr("taxi_assets.cleaning.rows_version.DEFAULT_RULES", (*DEFAULT_RULES, "no_distance"))
    assert CleaningVersions(GREEN).changes_since(versions[None], JANUARY) == ("rules changed",)
    assert CleaningVersions(GREEN).changes_since(versions["duplicate",], JANUARY) == ()


@pytest.mark.parametrize("names", [DEFAULT_RULES, ("no_distance", "no_passengers"), ()])
def test_the_record_of_a_month_comes_back_from_its_provenance_and_from_its_text(names: tuple[str, ...]) -> None:
    rules = select_rules(GREEN, names)
    provenance = {
        **version_provenance(GREEN, JANUARY, rules),
        "taxi/rules": ",".join(rule.name for rule in rules),
        "taxi/source_sha256": SHA256,
    }
    recorded = RowsVersion.of(provenance)
    assert recorded is not None
    assert RowsVersion.parse(str(recorded)) == recorded
    assert recorded.cleaning == cleaning_version(GREEN, JANUARY, rules)
    assert recorded.rules_now(GREEN) == rules
    assert (recorded.rules is None) == (names == DEFAULT_RULES)
    assert CleaningVersions(GREEN).changes_since(recorded, JANUARY) == ()


@pytest.mark.parametrize("text", [SHA256, f"{SHA256} by no_distance,no_passengers"])
def test_a_record_of_an_earlier_release_has_not_changed(text: str) -> None:
    recorded = RowsVersion.parse(text)
    assert recorded is not None
    assert CleaningVersions(GREEN).changes_since(recorded, JANUARY) == ()
    assert str(recorded) == text


def test_a_data_version_of_another_kind_is_no_record() -> None:
    assert RowsVersion.parse("a person's own version") is None


def test_a_changed_rule_changes_the_code_versions_of_what_cleaning_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_versions()
    rules = [
        replace(rule, predicate="{distance} < 0 OR {distance} > 400") if rule.name == "impossible_distance" else rule
        for rule in RULES
    ]
    monkeypatch.setattr("taxi_assets.assets.code_versions.RULES", rules)
    after = code_versions()
    datasets = {one.name for one in DATASETS if one.distance}
    layers = (Layer.CLEAN, Layer.QUARANTINE, Layer.DIFF)
    assert {key for key in before if before[key] != after[key]} == set(itertools.product(datasets, layers))


def versions_of(folder: Path) -> dict:
    """The versions of everything, by the package in that folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert Path(found.pop("file")).is_relative_to(folder)
    return found


def copy_of_the_package(folder: Path) -> Path:
    package = Path(taxi_assets.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / package.name


@pytest.mark.slow
def test_renamed_private_functions_change_no_version(tmp_path: Path) -> None:
    package = copy_of_the_package(tmp_path)
    modules = [path for part in ("catalog", "cleaning", "assets", "stores") for path in (package / part).rglob("*.py")]
    names = {name for path in modules for name in re.findall(r"def (_[a-z]\w*)\(", path.read_text())}
    renamed = re.compile(rf"(?<![\w.])({'|'.join(names)})\b|(?<=self\.)({'|'.join(names)})\b")
    for path in modules:
        path.write_text(renamed.sub(lambda found: f"{found[0]}_renamed", path.read_text()))
    assert len(names) > 100
    assert versions_of(tmp_path) == versions_of(Path(taxi_assets.__file__).parents[1])


def test_the_code_versions_are_those_that_months_were_loaded_with() -> None:
    """A commit that changes one makes every month of the dataset stale: it has to mean it."""
    assert {name: version for (name, layer), version in code_versions().items() if layer == Layer.CLEAN} == {
        "yellow": "c3320691",
        "green": "7d1db15d",
        "fhv": "79a0a13d",
        "fhvhv": "d0ba895d",
    }
