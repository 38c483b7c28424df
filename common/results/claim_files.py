"""Writing decided claims as JSON, CSV and Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from common.results.claims import CLAIM_RULE, FAILS, NOT_EVALUATED, CellResult, ClaimResult, rule
from common.results.formats import escape_markdown, json_text, markdown_table, write_csv, write_text
from common.results.naming import metric_label, show
from common.results.spec import Comparison, Paper, Selector


def write_claims(stem: Path, paper: Paper, protocol: str, results: Sequence[ClaimResult]) -> None:
    """Write ``<stem>.json``, ``.csv`` and ``.md``."""
    content = {
        "paper": paper.name,
        "protocol": protocol,
        "claims": [claim_json(result) for result in results],
    }
    write_text(stem.with_name(f"{stem.name}.json"), json_text(content) + "\n")
    write_csv(stem.with_name(f"{stem.name}.csv"), claims_frame(results))
    write_text(stem.with_name(f"{stem.name}.md"), _markdown(paper, protocol, results))


def claims_frame(results: Sequence[ClaimResult]) -> pd.DataFrame:
    """Return one row a cell of every claim, and one for a claim without cells."""
    rows: list[dict[str, object]] = []
    for result in results:
        claim: dict[str, object] = {
            "claim": result.claim.id,
            "protocol": result.protocol,
            "claim_verdict": result.verdict,
            "claim_p_value": _round(result.p_value),
        }
        for cell in result.cells:
            comparison = result.claim.comparisons[cell.comparison]
            text = ", ".join(f"{key}={value}" for key, value in cell.cell.items())
            rows.append({**claim, "comparison": cell.comparison + 1, "cell": text})
            rows[-1].update(_numbers(comparison, cell))
        rows += [] if result.cells else [claim]
    columns = ["claim", "protocol", "claim_verdict", "claim_p_value", "comparison", "cell"]
    columns += ["verdict", "relation", "metric", "margin", "n", "mean_difference", "std", "ci_low"]
    columns += ["ci_high", "left", "right", "seeds", "test_images", "reason", "rule"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"comparison": "Int64", "n": "Int64", "test_images": "Int64"})


def _numbers(comparison: Comparison, cell: CellResult) -> dict[str, object]:
    """Return what decided a cell."""
    images = cell.test_images
    return {
        "verdict": cell.verdict,
        "relation": comparison.relation,
        "metric": comparison.metric,
        "margin": comparison.margin,
        "n": cell.summary.n,
        "mean_difference": _round(cell.summary.mean),
        "std": _round(cell.summary.std),
        "ci_low": _round(cell.summary.low),
        "ci_high": _round(cell.summary.high),
        "left": _round(cell.left),
        "right": _round(cell.right),
        "seeds": " ".join(map(str, cell.seeds)),
        "test_images": None if math.isnan(images) else int(images),
        "reason": cell.reason,
        "rule": rule(comparison),
    }


def claim_json(result: ClaimResult) -> dict[str, object]:
    """Return a claim's result as JSON values."""
    cells = []
    for cell in result.cells:
        numbers = _numbers(result.claim.comparisons[cell.comparison], cell)
        del numbers["rule"]
        where = {key: _json_value(value) for key, value in cell.cell.items()}
        cells.append({"comparison": cell.comparison + 1, "cell": where, **numbers})
    comparisons = []
    for part in result.claim.comparisons:
        sides: dict[str, object] = {"left": describe(part.left, part.left_minus)}
        sides["right"] = describe(part.right, part.right_minus)
        comparisons.append({**sides, "over": list(part.over), "rule": rule(part)})
    admitted = result.claim.protocols
    return {
        "id": result.claim.id,
        "text": result.claim.text,
        "source": result.claim.source,
        "protocols": None if admitted is None else list(admitted),
        "verdict": result.verdict,
        "p_value": _round(result.p_value),
        "counts": result.counts,
        "comparisons": comparisons,
        "cells": cells,
    }


def describe(selector: Selector | float, minus: Selector | None = None) -> str:
    """Return a selector as text, such as ``method=snip, variant=original``."""
    if not isinstance(selector, Mapping):
        return f"{selector:g}"
    parts = []
    for key, value in selector.items():
        several = isinstance(value, (tuple, list, set, frozenset))
        text = "|".join(map(str, value)) if several else str(value)  # type: ignore[call-overload]
        parts.append(f"{key}={text}")
    text = ", ".join(parts) or "all runs"
    return f"({text}) - ({describe(minus)})" if minus is not None else text


def summary_line(results: Sequence[ClaimResult]) -> str:
    """Return the verdicts in one line, such as ``C1 holds; C2 inconclusive``.

    Claims that only other protocols can decide are left out.
    """
    decidable = [result for result in results if result.verdict != NOT_EVALUATED]
    return "; ".join(f"{result.claim.id} {result.verdict}" for result in decidable) or "no claims"


def _markdown(paper: Paper, protocol: str, results: Sequence[ClaimResult]) -> str:
    """Return the page: all verdicts, then every claim with the numbers that decided it."""
    parts = [f"# Claims of {paper.title}: protocol {protocol}\n"]
    rows = [[r.claim.id, r.claim.text, r.verdict, _counts(r)] for r in results]
    parts.append(markdown_table(["claim", "statement", "verdict", "cells"], rows, 4))
    parts.append(
        f"{CLAIM_RULE} Differences are paired by seed; their 95 % interval is never narrower than "
        "one test image on either side.\n"
    )
    parts += [_section(paper, result) for result in results]
    return "\n".join(parts)


def _section(paper: Paper, result: ClaimResult) -> str:
    """Return the details of one claim."""
    claim = result.claim
    lines = [f"## {claim.id}: {result.verdict}\n", f"{escape_markdown(claim.text)}\n"]
    lines.append(f"Source: {escape_markdown(claim.source)}.\n")
    if claim.protocols is not None:
        lines.append(f"Decided only by the protocols: {', '.join(claim.protocols)}.\n")
    for number, part in enumerate(claim.comparisons):
        left, right = describe(part.left, part.left_minus), describe(part.right, part.right_minus)
        lines.append(
            f"Comparison {number + 1}, {metric_label(part.metric)}: left `{left}`, "
            f"right `{right}`. {rule(part)}\n"
        )
        cells = [cell for cell in result.cells if cell.comparison == number]
        if cells:
            header = [show(paper, name) for name in part.over]
            header += ["left", "right", "difference", "95 % interval", "n", "verdict", "remarks"]
            body = [_cell_row(paper, cell) for cell in cells]
            lines.append(markdown_table(header, body, len(part.over)))
    lines += [f"{text}\n"] if (text := together(result)) else []
    return "\n".join(lines)


def together(result: ClaimResult) -> str:
    """Return what several cells of which some do not hold say together; empty where none does."""
    if math.isnan(result.p_value) or len(result.tested) == 1:
        return ""
    failed = result.counts.get(FAILS, 0)
    p_value = "p < 0.001" if result.p_value < 0.001 else f"p = {result.p_value:.3f}"
    return (
        f"{failed} of {len(result.tested)} tested cells {'do' if failed > 1 else 'does'} not hold "
        f"in protocol {result.protocol}; together {p_value} against the claim (Simes' test)."
    )


def _cell_row(paper: Paper, cell: CellResult) -> list[str]:
    """Return one cell as a row of text."""
    numbers = cell.summary
    interval = "" if numbers.n < 2 else f"{numbers.low:+.2f} to {numbers.high:+.2f}"
    return [
        *[show(paper, value) for value in cell.cell.values()],
        "" if math.isnan(cell.left) else f"{cell.left:.2f}",
        "" if math.isnan(cell.right) else f"{cell.right:.2f}",
        "" if not numbers.n else f"{numbers.mean:+.2f}",
        interval,
        str(numbers.n),
        cell.verdict,
        cell.reason,
    ]


def _counts(result: ClaimResult) -> str:
    """Return how many cells have each verdict."""
    return ", ".join(f"{count} {verdict}" for verdict, count in result.counts.items())


def _round(value: float) -> float | None:
    """Return a number JSON can hold, without rounding noise."""
    return round(value, 6) if math.isfinite(value) else None


def _json_value(value: Any) -> object:
    """Return a cell's value as JSON knows it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value  # a NumPy scalar
