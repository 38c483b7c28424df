"""The scripts of the original programs by their own names; ``original`` holds what they do."""
