"""Access: API keys, devices, secrets."""
