"""Every committed LaTeX table compiles, with booktabs and nothing else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TABLES = sorted((Path(__file__).resolve().parents[3] / "results" / "tables").rglob("*.tex"))
PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(
    PDFLATEX is None and os.environ.get("WORKBENCH_LATEX") != "required",
    reason="needs pdflatex with booktabs (Debian: texlive-latex-recommended)",
)


@needs_latex
def test_all_tables_compile_in_one_document(tmp_path):
    assert PDFLATEX is not None, "pdflatex is required here and not installed"
    assert len(TABLES) > 30
    inputs = "\n".join(rf"\input{{{path}}}\clearpage" for path in TABLES)
    document = (
        r"\documentclass{article}\usepackage{booktabs}"
        r"\usepackage[landscape,paperwidth=60in,paperheight=60in]{geometry}"
        rf"\begin{{document}}{inputs}\end{{document}}"
    )
    (tmp_path / "all.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-3000:]
    assert "Missing character" not in log and "multiply defined" not in log
    assert int(re.search(r"Output written on all.pdf \((\d+) pages", log)[1]) >= len(TABLES)
