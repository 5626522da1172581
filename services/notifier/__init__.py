"""The notifier: what browsers and other programs see of the system, live."""
