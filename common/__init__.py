"""What two papers share: the pipeline from a config to a record, a table and a verdict.

Nothing in here knows a paper; the papers are packages under ``replications`` that build on it.
"""
