"""AI-Thinker ESP32-CAM (OV2640, 4 MB flash, 4 MB PSRAM)."""

CAMERA = {
    "data_pins": [5, 18, 19, 21, 36, 39, 34, 35],
    "pclk_pin": 22,
    "vsync_pin": 25,
    "href_pin": 23,
    "sda_pin": 26,
    "scl_pin": 27,
    "xclk_pin": 0,
    "powerdown_pin": 32,
    "reset_pin": -1,
}
# The gate uses the SD card's pins, so insert no card. GPIO 12 stays free: if high at power-on, it
# sets the flash to 1.8 V and the board does not start. GPIO 4 is the lamp.
GATE = (13, 14)  # outside, inside: a contact to ground, or an echo
TRIGGERS = (15, 2)  # ultrasonic only
