"""From the records of finished runs to tables, plots and claims with verdicts.

Records are the only source: everything under ``results/`` but the records themselves can be
deleted and made again, byte for byte, with ``python -m common.results``.
"""
