"""Smart Parking: what the services share. The pure core does no I/O; see docs/architecture.md."""
