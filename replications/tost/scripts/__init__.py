"""The analysis scripts, under the names of the original; ``analysis`` holds what they do."""
