"""The report: static pages that show everything below ``results/`` without a network."""

from common.results.report.data import PaperReport, ShownTable
from common.results.report.write import write_report

__all__ = ["PaperReport", "ShownTable", "write_report"]
