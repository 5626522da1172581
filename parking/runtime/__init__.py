"""What a process runs on: settings, Kafka, metrics, health."""
