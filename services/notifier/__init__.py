"""The notifier: the live view of the system for browsers and other programs."""
