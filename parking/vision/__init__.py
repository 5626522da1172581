"""Image analysis: arrays in, values out."""
