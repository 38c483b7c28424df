"""Replication of ToST, "Training Your Sparse Neural Network Better with Any Mask" (ICML 2022)."""
