"""What would have been different: two runs, or a run and the truth, slot by slot."""
