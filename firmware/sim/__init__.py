"""A simulated board for the MicroPython unix port: flash, camera, Wi-Fi, clock, watchdog.

Never copied to a device. What is simulated and what is real: docs/firmware.md.
"""
