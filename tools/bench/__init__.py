"""Benchmarks: ratios, measured side by side in one run. Tables: docs/performance.md."""
