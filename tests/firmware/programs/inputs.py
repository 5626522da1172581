"""hal/inputs.py with pins that are objects: which edges it writes. Interrupts are calls of the
handlers, in the order in which a board would queue them. Runs under MicroPython: inputs.py NAME."""

import json
import sys
import time

import micropython

sys.path.insert(0, "firmware")


class Pin:
    """Stands in for `machine.Pin`. LEVELS is what each pin shows, 1 for an open contact."""

    IN, OUT, PULL_UP, IRQ_RISING, IRQ_FALLING = 0, 1, 2, 4, 8

    def __init__(self, number, *_, value=0):
        self.number, self.handler = number, None
        PINS[number] = self

    def irq(self, handler, trigger):
        assert trigger == Pin.IRQ_RISING | Pin.IRQ_FALLING
        self.handler = handler

    def value(self):
        return LEVELS[self.number]

    def on(self):
        pass

    def off(self):
        pass


class Machine:
    """Stands in for `machine`. ECHO_US is what each ultrasonic sensor measures."""

    Pin = Pin

    @staticmethod
    def time_pulse_us(pin, _level, _longest_us):
        return ECHO_US[pin.number]


class Pins:
    GATE, TRIGGERS = (13, 14), (15, 2)


PINS, LEVELS, ECHO_US = {}, {13: 1, 14: 1}, {13: -1, 14: -1}
sys.modules["machine"] = Machine
LIMIT_MS = 5000

from app.clock import Monotonic  # noqa: E402 -- `machine` has to be there
from app.edges import Edges  # noqa: E402
from hal.inputs import Contacts, Ultrasonic  # noqa: E402


def taken(edges, count):
    """Return (outside, inside) of the next edges, while the scheduled looks run."""
    events, until = [], time.ticks_ms() + LIMIT_MS
    while len(events) < count and time.ticks_ms() < until:
        edge = edges.take()
        if edge is not None:
            events.append(edge[1:3])
        else:
            time.sleep_ms(1)
    return events


def held_up(_):
    """Both handlers run late, one after the other. No look comes between them, because it is
    scheduled too."""
    LEVELS.update({13: 1, 14: 0})
    PINS[14].handler(PINS[14])
    PINS[13].handler(PINS[13])


def contacts():
    edges = Edges(Monotonic(time.ticks_ms))
    Contacts(Pins, edges)
    LEVELS[13] = 0  # nobody's interrupt was heard: a look finds it
    assert taken(edges, 1) == [(True, False)]
    assert edges.take() is None, "once"
    micropython.schedule(held_up, 0)
    assert taken(edges, 2) == [(True, True), (False, True)]
    LEVELS[14] = 1
    assert taken(edges, 1) == [(False, False)]
    assert (edges.lost, edges.blind_ms > 0) == (0, True)


def ultrasonic():
    edges = Edges(Monotonic(time.ticks_ms))
    Ultrasonic(Pins, edges)
    ECHO_US[13] = 100 * 58
    assert taken(edges, 1) == [(True, False)]
    ECHO_US[14] = 100 * 58
    assert taken(edges, 1) == [(True, True)]
    ECHO_US.update({13: 180 * 58, 14: -2})
    assert taken(edges, 1) == [(True, False)], "180 cm is still near, no echo is far"
    ECHO_US[13] = 210 * 58
    assert taken(edges, 1) == [(False, False)]


print(json.dumps(globals()[sys.argv[1]]()))
