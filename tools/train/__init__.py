"""Build the shipped model: labels from slot annotations, fine-tuning, export, calibration, scores.

`python -m tools.train --help`. The steps are files: labels.py, fit.py, export.py, score.py.
"""
