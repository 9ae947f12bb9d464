"""A client that runs a notebook and never waits for a reply that has already come.

nbclient answers the messages of widgets by a send on the very socket that asyncio watches. The file descriptor of that
socket is edge-triggered: the send takes the edge, the reply lies there, and asyncio is never told (nbclient issue 312).
"""

import math
from queue import Empty
from time import monotonic

from nbclient import NotebookClient

STEP = 0.1  # s after which a wait looks at the socket again


def look_again(get_msg, step=STEP):
    """Wrap a channel's `get_msg` (async): no wait is longer than `step`, for each new one begins with a look."""

    async def get(timeout=None):
        end = math.inf if timeout is None else monotonic() + timeout
        while True:
            left = end - monotonic()
            try:
                return await get_msg(timeout=min(step, max(left, 0)))
            except Empty:
                if left <= step:
                    raise

    return get


class PatientClient(NotebookClient):
    """nbclient's client, with waits that look at the socket again."""

    async def async_start_new_kernel_client(self):
        """Start the client of a new kernel, and wrap the channels on which replies are awaited."""
        client = await super().async_start_new_kernel_client()
        for channel in (client.shell_channel, client.iopub_channel):
            channel.get_msg = look_again(channel.get_msg)
        return client
