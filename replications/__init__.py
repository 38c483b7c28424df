"""One package a paper, each on the shared core and none on another."""
