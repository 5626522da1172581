"""Renders parking footage with exact truth beside it: procedural, seeded, nothing downloaded."""
