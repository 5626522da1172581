"""Replay recorded pictures and events with chosen settings, separate from live: docs/replay.md."""
