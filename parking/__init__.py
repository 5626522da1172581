"""What the services of Smart Parking share, a folder for each kind: docs/architecture.md."""
