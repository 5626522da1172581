"""The gate's sensors: two contacts (loop detector, light barrier) or two ultrasonic ones.

DNS look-ups and TLS block the main thread for seconds, so none of this waits for it. This port does
not run a pin interrupt's handler at once. It queues up to eight, and the next thread to run Python
code runs them. So an extra thread keeps running: while the main thread is in a call that releases
the interpreter (a look-up, a connect, a wait for the network), the handlers run here. It also reads
the inputs itself every 10 to 20 ms, in case an edge found the queue full. A call that holds the
interpreter (one step of a TLS handshake, an erase of flash) delays both, and `Edges.blind_ms`
measures that delay. `edges` is written only by scheduled callbacks, one at a time, or only by this
thread.

The thread waits in an empty poll, which yields the processor until the next system tick (10 ms).
sleep_ms would keep the processor and the interpreter's lock for the last 10 ms of any sleep.
"""

import _thread
from select import poll
from time import sleep_us, ticks_ms

from machine import Pin, time_pulse_us
from micropython import schedule

from app.edges import INSIDE, OUTSIDE
from app.gate import Near

_LOOK_MS = 10
_PING_MS = 40  # pause between the sensors; if shorter, one hears the other's echo
_LONGEST_US = 15_000  # 2.5 m there and back; longer is "nothing there"
_US_PER_CM = 58


class Contacts:
    """Contacts to ground: low means on. `pins` is a file in boards/ and `edges` an app/edges.py."""

    def __init__(self, pins, edges):
        self._edges = edges
        self._pins = [Pin(number, Pin.IN, Pin.PULL_UP) for number in pins.GATE]
        for pin, bit in zip(self._pins, (OUTSIDE, INSIDE)):
            pin.irq(self._handler(bit), Pin.IRQ_RISING | Pin.IRQ_FALLING)
        _thread.start_new_thread(self._turn, ())

    def _handler(self, bit):
        edges = self._edges
        return lambda pin: edges.one(bit, not pin.value(), ticks_ms())

    def _turn(self):
        look, wait = self._look, poll()
        while True:
            try:
                schedule(look, 0)
            except RuntimeError:
                pass  # the queue is full of earlier edges
            wait.poll(_LOOK_MS)

    def _look(self, _):
        outside, inside = self._pins
        state = (0 if outside.value() else OUTSIDE) | (0 if inside.value() else INSIDE)
        self._edges.look(state, ticks_ms())


class Ultrasonic:
    """These sensors have no edges, so a thread polls each one every 80 to 130 ms. An object present
    for less than two readings may be missed, because a single reading is ignored
    (app/sensors.py)."""

    def __init__(self, pins, edges):
        self._edges = edges
        self._echoes = [Pin(number, Pin.IN, Pin.PULL_UP) for number in pins.GATE]
        self._triggers = [Pin(number, Pin.OUT, value=0) for number in pins.TRIGGERS]
        self._near = [Near(), Near()]
        _thread.start_new_thread(self._turn, ())

    def _turn(self):
        state, turn, wait = 0, 0, poll()
        while True:
            bit = INSIDE if turn else OUTSIDE
            near = self._near[turn].feed(self._distance_cm(turn))
            state = state | bit if near else state & ~bit
            self._edges.look(state, ticks_ms())
            turn = 1 - turn
            wait.poll(_PING_MS)

    def _distance_cm(self, index):
        self._triggers[index].on()
        sleep_us(10)
        self._triggers[index].off()
        echo_us = time_pulse_us(self._echoes[index], 1, _LONGEST_US)
        return echo_us / _US_PER_CM if echo_us > 0 else 1000.0
