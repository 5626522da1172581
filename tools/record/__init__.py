"""Record a window of the topics as one portable file, and read it back. Format: docs/replay.md."""
