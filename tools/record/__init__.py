"""Keeps a window of the topics as one portable file, and reads it back. Form: docs/replay.md."""
