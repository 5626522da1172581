"""The five services: each a process of its own, run as `python -m services.<name>`; they share only parking/."""
