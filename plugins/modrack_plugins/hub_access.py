"""Whether the Hugging Face Hub can be reached, asked before anything waits for it."""

from __future__ import annotations

from functools import cache


@cache
def hub_reachable(seconds: float = 3.0) -> bool:
    """One connection attempt to the Hub's host. Its own client would retry for half a minute first.

    Honours HF_HUB_OFFLINE and HF_ENDPOINT. Behind a proxy the client is left to find out by itself.
    """
    import os
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    if getproxies().get(address.scheme or "https"):
        return True
    try:
        with socket.create_connection((address.hostname or "", address.port or 443), timeout=seconds):
            return True
    except OSError:
        return False
