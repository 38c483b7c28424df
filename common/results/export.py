"""Export for a user's own analysis: tidy tables as CSV and Parquet, and ReScience metadata.

Four tables, one observation a row. Runs of two experiments share a ``run_id`` where they share a
configuration, so tables join on ``paper``, ``experiment`` and ``run_id`` together:

- ``runs``: a run; its names, metrics, facts and every value of its config (``config.<path>``).
- ``curves``: a metric at an epoch of a run (``part``: ``training`` or ``search``).
- ``layers``: what a run's ticket keeps of a layer (``position`` 0 is at the input).
- ``numbers``: a reported number, ours and the verdict.

Accuracies are in percent, times in seconds, densities and sparsities fractions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from common.results.claims import HOLDS
from common.results.formats import write_text
from common.results.records import OBJECT_COLUMNS, records_frame, run_id
from common.results.verdict_files import PaperVerdicts, rule_text
from common.results.verdicts import counts

_RUN = {"paper": "str", "experiment": "str", "run_id": "str"}
_CURVES = _RUN | {"part": "str", "epoch": "int64", "metric": "str", "value": "float64"}
_LAYERS = _RUN | {"position": "int64", "layer": "str", "density": "float64"}


def export(
    folder: Path, records: Sequence[Mapping[str, Any]], papers: Sequence[PaperVerdicts]
) -> list[Path]:
    """Write the tables, ``README.md`` and ``<paper>.metadata.yaml``; return the files.

    Args:
        folder: where to; it is made where need be, files of the same names are replaced.
        records: as read by :func:`common.results.records.load_records`.
        papers: their verdicts.
    """
    tables = {
        "runs": run_table(records),
        "curves": curve_table(records),
        "layers": layer_table(records),
        "numbers": pd.concat(
            [found.numbers.assign(paper=found.paper.name) for found in papers], ignore_index=True
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, table in tables.items():
        files += [folder / f"{name}.csv", folder / f"{name}.parquet"]
        table.to_csv(files[-2], index=False, lineterminator="\n")
        table.to_parquet(files[-1], index=False)
    files.append(folder / "README.md")
    write_text(files[-1], _readme(tables))
    for found in papers:
        files.append(folder / f"{found.paper.name}.metadata.yaml")
        text = yaml.safe_dump(metadata(found), sort_keys=False, allow_unicode=True, width=100)
        write_text(files[-1], text)
    return files


def run_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row a run: the columns of the results, then every value of the configs.

    Columns without a value in any run are left out; lists are text.
    """
    configs = [_leaves(record["config"]) for record in records]
    fields = sorted({f"config.{path}" for config in configs for path in config})
    frame = records_frame(records, fields).drop(columns=list(OBJECT_COLUMNS))
    frame = frame.dropna(axis="columns", how="all")
    mixed = [name for name in frame.columns if pd.api.types.is_object_dtype(frame[name])]
    return frame.assign(**{name: _one_kind(frame[name]) for name in mixed})


def _leaves(section: Mapping[str, Any], start: str = "") -> Iterator[str]:
    """Yield the dotted paths of all values that are no sections."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{start}{key}.")
        else:
            yield f"{start}{key}"


def _one_kind(column: pd.Series) -> pd.Series:
    """Return a column of numbers, of truth values or of text, as which Parquet can hold it."""
    kinds = {type(value) for value in column if not pd.isna(value)}
    if kinds <= {int, float}:
        return pd.to_numeric(column)
    if kinds == {bool}:
        return column.astype("boolean")
    return column.map(lambda value: None if pd.isna(value) else str(value)).astype("str")


def curve_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row a measured metric of an epoch."""
    columns: dict[str, list[Any]] = {name: [] for name in _CURVES}
    for record in records:
        search = (record.get("search") or {}).get("curves")
        for part, curves in (("training", record.get("training")), ("search", search)):
            for metric in sorted(set(curves or {}) - {"epoch"}):
                assert curves is not None
                pairs = zip(curves["epoch"], curves[metric], strict=True)
                there = [(epoch, value) for epoch, value in pairs if value is not None]
                for column, name in zip(_RUN, _named(record)):
                    columns[column] += [name] * len(there)
                columns["part"] += [part] * len(there)
                columns["metric"] += [metric] * len(there)
                columns["epoch"] += [epoch for epoch, _ in there]
                columns["value"] += [value for _, value in there]
    return pd.DataFrame(columns).astype(_CURVES)


def _named(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return what tells a run from all others."""
    name = run_id(record["config_hash"], record["seed"])
    return record["paper"], record["experiment"], name


def layer_table(records: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row a layer of a ticket, in the network's order."""
    rows = []
    for record in records:
        ticket = record["ticket"] or {}
        densities = ticket.get("layer_densities") or {}
        order = [name for name in ticket.get("layer_order") or densities if name in densities]
        name = _named(record)
        rows += [(*name, place, layer, densities[layer]) for place, layer in enumerate(order)]
    return pd.DataFrame(rows, columns=list(_LAYERS)).astype(_LAYERS)


def metadata(found: PaperVerdicts) -> dict[str, Any]:
    """Return the metadata of a replication article in the form of ReScience C's template.

    Who publishes fills in what the records cannot know: authors, dates, addresses of code and data.
    """
    paper, number = found.paper, counts(found.numbers)
    claims = [result for results in found.claims.values() for result in results]
    holding = sorted({result.claim.id for result in claims if result.verdict == HOLDS})
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in number.items() if count)
    abstract = (
        f"Replication of {paper.title!r}. Of {len(found.numbers)} reported numbers: "
        f"{verdicts or 'none'}. Of {len(paper.claims)} claims hold in at least one protocol: "
        f"{len(holding)}."
    )
    url = f"https://arxiv.org/abs/{paper.arxiv}" if paper.arxiv else None
    return {
        "title": f"[Re] {paper.title}",
        "authors": [{"name": None, "orcid": None, "email": None, "affiliations": None}],
        "affiliations": [{"code": 1, "name": None, "address": None}],
        "keywords": "replication, pruning, lottery ticket hypothesis, sparse neural networks",
        "code": [{"url": None}, {"doi": None}, {"swh": None}],
        "data": [{"url": None}, {"doi": None}],
        "replication": [{"cite": paper.title}, {"bib": None}, {"url": url}, {"doi": None}],
        "contributors": [{"name": None, "orcid": None, "role": "editor"}],
        "review": [{"url": None}],
        "dates": [{"received": None}, {"accepted": None}, {"published": None}],
        "article": [{"number": None}, {"doi": None}, {"url": None}],
        "journal": [{"name": "ReScience C"}, {"volume": None}, {"issue": None}],
        "type": "Replication",
        "language": "Python",
        "domain": "Computational machine learning",
        "abstract": abstract,
        "bibliography": "bibliography.bib",
    }


def _readme(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return what the tables are, with their columns."""
    about = (__doc__ or "").partition("\n\n")[2].strip()
    parts = ["# Exported results\n", about + "\n"]
    for name, table in tables.items():
        kinds = ", ".join(f"`{column}` ({table[column].dtype})" for column in table.columns)
        parts.append(f"## {name}: {len(table):,} rows\n\n{kinds}\n")
    parts.append(f"## The rule of the verdicts in `numbers`\n\n{rule_text()}\n")
    return "\n".join(parts)
