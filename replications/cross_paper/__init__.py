"""The study across the papers: every finder's tickets under every paper's checks and recipes."""
