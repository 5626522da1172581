"""Plays recorded pictures and events through chosen settings, apart from live: docs/replay.md."""
