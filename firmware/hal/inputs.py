"""The gate's sensors: two contacts (loop detector, light barrier) or two ultrasonic ones."""

from time import sleep_us

from machine import Pin, time_pulse_us

from app.gate import Near

_LONGEST_US = 15_000  # 2.5 m there and back; longer is "nothing there"
_US_PER_CM = 58


class Inputs:
    """`pins`: a file in boards/. A contact closes to ground: on is low."""

    def __init__(self, pins, config):
        self._contacts = [Pin(number, Pin.IN, Pin.PULL_UP) for number in pins.GATE]
        self._near = [Near(), Near()]
        self._triggers = []
        if config["ultrasonic"]:
            self._triggers = [Pin(number, Pin.OUT, value=0) for number in pins.TRIGGERS]
        self._turn = 0
        self._last = [False, False]

    def read(self):
        """(outside, inside)"""
        if not self._triggers:
            return tuple(not pin.value() for pin in self._contacts)
        # One after the other, or each hears the other's echo.
        self._turn = turn = 1 - self._turn
        self._last[turn] = self._near[turn].feed(self._distance_cm(turn))
        return tuple(self._last)

    def _distance_cm(self, index):
        self._triggers[index].on()
        sleep_us(10)
        self._triggers[index].off()
        echo_us = time_pulse_us(self._contacts[index], 1, _LONGEST_US)
        return echo_us / _US_PER_CM if echo_us > 0 else 1000.0
