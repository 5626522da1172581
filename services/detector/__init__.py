"""Finds vehicles in frames and decides for each slot whether one is in it."""
