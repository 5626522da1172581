"""Finds vehicles in frames and decides for each slot whether it is occupied."""
