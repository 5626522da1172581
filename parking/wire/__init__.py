"""Formats that cross a process boundary: records, files, schemas, and their faults."""
