"""Measures: accuracy on lots never seen, and what becomes of damaged pictures."""
