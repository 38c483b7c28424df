"""Plots of the results, drawn with Matplotlib's Agg back end; equal input gives equal files."""
