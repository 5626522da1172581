"""The edge: MQTT and HTTP in, Kafka out."""
