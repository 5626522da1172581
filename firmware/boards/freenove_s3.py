"""Freenove ESP32-S3-WROOM CAM (OV2640, 8 MB flash, 8 MB PSRAM)."""

CAMERA = {
    "data_pins": [11, 9, 8, 10, 12, 18, 17, 16],
    "pclk_pin": 13,
    "vsync_pin": 6,
    "href_pin": 7,
    "sda_pin": 4,
    "scl_pin": 5,
    "xclk_pin": 15,
    "powerdown_pin": -1,
    "reset_pin": -1,
}
# GPIO 2 is the board's LED, 48 its RGB LED, 38 to 40 the SD card, 35 to 37 the PSRAM.
GATE = (1, 21)  # outside, inside: a contact to ground, or an echo
TRIGGERS = (41, 42)  # ultrasonic only
