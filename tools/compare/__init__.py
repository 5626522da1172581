"""Compare two runs, or a run and the truth, slot by slot."""
