"""The embedded servers themselves: they start, they keep what they acknowledged, they stop."""

from parking.stack.infra import Infra


def test_all_parts_run(infra: Infra) -> None:
    assert all(infra.pid(name) > 0 for name in ("kafka", "postgres", "s3", "mqtt"))
