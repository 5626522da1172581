"""Render parking footage with exact truth: procedural, seeded, without downloads."""
