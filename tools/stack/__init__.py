"""The embedded stack: real Kafka, PostgreSQL, S3 and MQTT from pip, npm and Maven packages, the
services, and the supervisor that keeps them all running. Everything listens on 127.0.0.1 only and
keeps its state in one folder (`.state/`).

    python -m tools.stack run|status|stop|clean
"""
