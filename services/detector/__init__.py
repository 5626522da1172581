"""Finds vehicles in frames and says of each slot whether one stands in it."""
