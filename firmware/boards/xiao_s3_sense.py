"""Seeed XIAO ESP32-S3 Sense (OV2640 or OV3660, 8 MB flash, 8 MB PSRAM)."""

CAMERA = {
    "data_pins": [15, 17, 18, 16, 14, 12, 11, 48],
    "pclk_pin": 13,
    "vsync_pin": 38,
    "href_pin": 47,
    "sda_pin": 40,
    "scl_pin": 39,
    "xclk_pin": 10,
    "powerdown_pin": -1,
    "reset_pin": -1,
}
# The pads D0 and D1; the triggers are D4 and D5.
GATE = (1, 2)  # outside, inside: a contact to ground, or an echo
TRIGGERS = (5, 6)  # ultrasonic only
