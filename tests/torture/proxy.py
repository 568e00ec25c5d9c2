"""
A bad network: each connection lives for some bytes, whichever side they come from, and then ends in one of four ways.

RST resets both sides. FIN hangs up properly. A hang keeps both sides open and passes nothing on. A dribble passes a few
bytes more, one at a time, and resets.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Literal

ENDS: tuple[Literal["rst", "fin", "hang", "dribble"], ...] = ("rst", "fin", "hang", "dribble")
SHORTEST, LONGEST = 300, 3_500
"""Bytes."""
_NO_LINGER = struct.pack("ii", 1, 0)


class Wire:
    """One connection, from the client to the server and back."""

    def __init__(self, life: int, end: str) -> None:
        self._left = life
        self._end = end
        self.cut = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if self.cut.is_set():  # nothing passes any more, and nobody is told
                    continue
                whole = data[: self._left]
                self._left -= len(data)
                target.write(whole)
                if self._left < 0:
                    self.cut.set()
                    await self._fail(target, data[len(whole) :])
                await target.drain()
        target.close()

    async def _fail(self, target: asyncio.StreamWriter, rest: bytes) -> None:
        if self._end == "dribble":
            for byte in rest[:40]:
                target.write(bytes([byte]))
                await target.drain()
                await asyncio.sleep(0)
        if self._end in ("dribble", "rst"):
            for writer in self.writers:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()
        elif self._end == "fin":
            for writer in self.writers:
                writer.close()


class Proxy:
    """
    Listens at `port` and passes on to `to`, badly.

    Args:
        warm: bytes that two of three connections live longer, so that they get beyond their own beginning.
    """

    def __init__(self, to: int, chance: Random, *, warm: int) -> None:
        self._warm = warm
        self._to = to
        self._chance = chance
        self._wires: list[Wire] = []
        self._tasks: set[asyncio.Task[None] | None] = set()
        self.port = 0
        self.cuts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = self._chance.choice(ENDS)
        life = self._chance.randint(SHORTEST, LONGEST) + self._chance.choice((0, self._warm, self._warm))
        wire = Wire(life, end)
        self._wires.append(wire)
        wire.writers.append(writer)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:  # the server is away
            writer.close()
            return
        wire.writers.append(up_writer)
        await asyncio.gather(wire.pump(reader, up_writer), wire.pump(up_reader, writer))
        self.cuts[end] += wire.cut.is_set()

    def end_all(self) -> None:
        for wire in self._wires:
            for writer in wire.writers:
                writer.transport.abort()
        self._wires.clear()


@asynccontextmanager
async def bad_network(to: int, chance: Random, *, warm: int) -> AsyncIterator[Proxy]:
    """A proxy to this port of this machine; all its connections end with the block."""
    proxy = Proxy(to, chance, warm=warm)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    async with listening:
        try:
            yield proxy
        finally:
            proxy.end_all()
