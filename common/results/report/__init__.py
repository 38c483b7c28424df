"""The report: static pages that show everything below ``results/`` without a network."""
