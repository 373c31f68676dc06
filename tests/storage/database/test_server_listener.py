"""A process hears what others announce on a server, and ends at once."""

import threading

from storage.database.postgres_url import parse_url
from storage.database.server_listener import ServerListener


def test_whoever_closes_before_it_listens_is_not_kept_waiting(new_postgres_url: str) -> None:
    closing = threading.Event()
    closing.set()
    listener = ServerListener(parse_url(new_postgres_url))
    waiting = threading.Thread(target=listener.wait, args=(closing,), kwargs={"seconds": 3_600.0})
    waiting.daemon = True
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()
    listener.close()
