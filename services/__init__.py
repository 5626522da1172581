"""The services, each a process of its own: `python -m services.<name>`. They share parking/."""
