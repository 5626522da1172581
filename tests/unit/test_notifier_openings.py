"""Snapshots shared by new clients, and the bound on what they keep in memory."""

from services.notifier.clients import PIECE_BYTES, Client, Message, pieces
from services.notifier.openings import KEPT_MS, SHARED_BYTES, SINCE_MAX, Opening, Openings

LARGE, SMALL = SHARED_BYTES, 10


def snapshot(size_bytes: int) -> Message:
    return Message("snapshot", b"x" * size_bytes, "one~0:1")


def got(openings: Openings, revision: int, now_ms: int = 0, size_bytes: int = LARGE) -> Opening:
    return openings.get(None, (revision, "one~0:1"), now_ms, lambda: snapshot(size_bytes))


def test_a_large_one_is_shared_with_what_was_published_since():
    openings = Openings()
    first = got(openings, 1)
    openings.published(Message("slot-change", b"{}", "one~0:2", "demo"))
    openings.published(Message("slot-change", b"{}", "one~0:3", "other"))
    again = got(openings, 3, KEPT_MS)
    assert again is first
    assert [m.id for m in again.messages(None)] == ["one~0:1", "one~0:2", "one~0:3"]
    assert [m.id for m in again.messages("demo")] == ["one~0:1", "one~0:2"]


def test_a_new_one_after_a_while_after_many_messages_and_after_a_change_without_message():
    openings = Openings()
    seen = [got(openings, 1), got(openings, 1, KEPT_MS + 1)]
    for _ in range(SINCE_MAX + 1):
        openings.published(Message("ping", b"{}"))
    seen.append(got(openings, 1, KEPT_MS + 1))
    openings.forget()
    seen.append(got(openings, 1, KEPT_MS + 1))
    assert len(set(map(id, seen))) == len(seen)


def test_a_small_one_shows_each_change():
    openings = Openings()
    first = got(openings, 1, size_bytes=SMALL)
    assert got(openings, 1, size_bytes=SMALL) is first
    assert got(openings, 2, size_bytes=SMALL) is not first


def test_above_the_bound_those_that_read_the_oldest_are_cut_off():
    openings = Openings(bytes_max=3 * LARGE)
    clients = [Client(None, 4) for _ in range(5)]
    for number, client in enumerate(clients):
        openings.begin(got(openings, number, number * (KEPT_MS + 1)), client)
    assert [client.closed for client in clients] == ["slow", "slow", None, None, None]
    assert openings.size_bytes == 3 * LARGE


def test_what_was_read_to_its_end_is_not_kept():
    openings, client = Openings(), Client(None, 4)
    opening = got(openings, 1)
    openings.begin(opening, client)
    openings.forget()
    assert openings.size_bytes == LARGE
    openings.end(opening, client)
    assert openings.size_bytes == 0


def test_large_messages_are_sent_in_pieces_and_small_ones_together():
    small = [Message("ping", b"{}") for _ in range(3)]
    large = Message("snapshot", bytes(range(256)) * PIECE_BYTES, "one~0:1")
    sent = list(pieces([*small, large, *small]))
    assert b"".join(sent) == b"".join(m.sse for m in [*small, large, *small])
    assert (sent[0], max(map(len, sent))) == (b"".join(m.sse for m in small), PIECE_BYTES)
