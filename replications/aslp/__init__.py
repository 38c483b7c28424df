"""ASLP: Extracting Effective Subnetworks with Gumbel-Softmax (arXiv:2202.12986)."""
