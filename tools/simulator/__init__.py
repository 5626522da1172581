"""Play footage over MQTT exactly as the cameras' firmware does."""
