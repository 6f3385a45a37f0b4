"""Lines over a Unix socket: one request a line in, one answer a line out, whatever those who connect do.

Theory of operation. At most `MAX_CONNECTIONS` are served. Who comes while all of them are taken is a visitor: it may say one
line, and `first` answers it, which does what must always get through and refuses everything else. So neither idle
connections nor thousands that connect keep a kill switch out. Room for a visitor is made by closing the one that has been
silent longest, never earlier than `GRACE_S` after it came.

Rules
- A connection that says no whole line for `IDLE_S`, or does not read its answer for `WRITE_S`, is closed.
- A request that has begun is finished and answered, also when this server closes meanwhile.
- The socket file is looked at every `LOOK_S`: where it was taken away, it is made again. Who is connected stays so.
- Where no file descriptor is left, the longest silent connection is closed for the next one, and one that is kept in reserve is
  used. A loop that cannot accept waits, and does not spin.
- Only the user who runs the process may connect (mode 0600).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import time
from collections.abc import Awaitable, Callable

MAX_LINE = 65_536
"""Longest request, bytes."""
MAX_CONNECTIONS = 64
MAX_VISITORS = 256
"""Connections beyond those that are served: each may say one line."""
IDLE_S = 60.0
"""How long a connection may say nothing, or half a line."""
WRITE_S = 10.0
"""How long an answer may wait for its reader."""
GRACE_S = 0.05
"""How long a visitor has at least to say its line."""
CLOSE_S = 1.0
"""How long an answer may wait for its reader once the server closes."""
LOOK_S = 0.5
"""How often it is looked whether the socket file is still there."""
BACKLOG = 4_096
AT_ONCE = 64
"""Connections taken in one round of the loop."""

_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Answer = Callable[[bytes], Awaitable[bytes]]
log = logging.getLogger("partfill.control")


class _Connection:
    """One that has connected."""

    def __init__(self, sock: socket.socket, visitor: bool) -> None:
        self.sock = sock
        self.visitor = visitor
        self.since = time.monotonic()
        """When it came, or was answered last."""
        self.silent = True
        """No request of it is under way."""
        self.read = b""
        self.task: asyncio.Task[None]


class Lines:
    """Serves the socket at `path`. `answer` is for everybody; `first` for the one line of a visitor; `wrong` makes an error."""

    def __init__(self, path: str, answer: Answer, first: Answer, wrong: Callable[[str], bytes]) -> None:
        self.path = path
        self._answer, self._first, self._wrong = answer, first, wrong
        self._listening: socket.socket | None = None
        self._file: os.stat_result | None = None
        """The socket file that we made."""
        self._served: set[_Connection] = set()
        self._visitors: dict[_Connection, None] = {}
        """Who may say one line, oldest first."""
        self._spare: int | None = None
        """A file descriptor to be given up when there is none left."""
        self._looking: asyncio.Task[None] | None = None
        self._paused: asyncio.TimerHandle | None = None
        self._trouble = ""
        self._closing = False

    async def start(self) -> None:
        """Listen. Raises `OSError` when something that is no socket stands at the path."""
        self._listen()
        self._keep_spare()
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Take no more requests; those under way are answered first."""
        if self._listening is None:
            return
        self._closing = True
        if self._looking is not None:
            self._looking.cancel()
        if self._paused is not None:
            self._paused.cancel()
        self._unlisten(self._listening)
        self._listening = None
        if self._is_ours():
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        for each in (*self._served, *self._visitors):
            if each.silent:
                each.task.cancel()
        tasks = [each.task for each in (*self._served, *self._visitors)]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    @property
    def count(self) -> int:
        """Connections that are open."""
        return len(self._served) + len(self._visitors)

    # ------------------------------------------------------------------ the socket file

    def _listen(self) -> None:
        """Make the socket file and listen at it, in the stead of what listened before."""
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                raise FileExistsError(f"{self.path} is in the way of the control socket; move it")
            os.unlink(self.path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Nobody else may ever connect, not even between bind and chmod.
            before = os.umask(0o177)
            try:
                listening.bind(self.path)
            finally:
                os.umask(before)
            listening.listen(BACKLOG)
            listening.setblocking(False)
            self._file = os.lstat(self.path)
        except BaseException:
            listening.close()
            raise
        old, self._listening = self._listening, listening
        if old is not None:
            # Who waited at the file that is gone is served all the same.
            self._accept(old)
            self._unlisten(old)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _unlisten(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening)
        listening.close()

    def _is_ours(self) -> bool:
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return self._file is not None and os.path.samestat(found, self._file)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._is_ours():
                self._trouble = ""
                continue
            try:
                self._listen()
                log.warning("the control socket %s was gone and has been made again", self.path)
            except OSError as error:
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    log.error("the control socket %s is gone and cannot be made again: %s", self.path, error)

    # ------------------------------------------------------------------ who comes

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(AT_ONCE):
            if not self._has_room():
                self._pause(GRACE_S)
                return
            try:
                sock, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    log.error("the control socket takes no connection: %s", error)
                    self._pause(LOOK_S)
                    return
                if self._spare is None:
                    # The one that goes is closed in its own task: a moment later there is one more.
                    self._pause(0.0 if self._make_room() else GRACE_S)
                    return
                os.close(self._spare)
                self._spare = None
                continue
            self._begin(sock)
        self._keep_spare()

    def _begin(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        connection = _Connection(sock, len(self._served) >= MAX_CONNECTIONS)
        if connection.visitor:
            self._visitors[connection] = None
        else:
            self._served.add(connection)
        connection.task = asyncio.get_running_loop().create_task(self._serve(connection))

    def _has_room(self) -> bool:
        """Whether one more may come; the visitor that has been silent longest goes for it."""
        if len(self._visitors) < MAX_VISITORS:
            return True
        oldest = next((each for each in self._visitors if each.silent), None)
        return oldest is not None and self._let_go(oldest)

    def _make_room(self) -> bool:
        """Let somebody go whose file descriptor is needed: visitors first, then who has been silent longest."""
        oldest = next((each for each in self._visitors if each.silent), None)
        if oldest is None:
            oldest = min((each for each in self._served if each.silent), key=lambda each: each.since, default=None)
        return oldest is not None and self._let_go(oldest)

    def _let_go(self, connection: _Connection) -> bool:
        """Close a connection that says nothing; False where it came only now."""
        if time.monotonic() - connection.since < GRACE_S:
            return False
        _tell(connection.sock, self._wrong(f"{MAX_CONNECTIONS} connections are open already; close one"))
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
        self._forget(connection)
        # It closes the socket itself, once the loop looks at it no more: its number may be another's at once.
        connection.task.cancel()
        return True

    def _forget(self, connection: _Connection) -> None:
        self._served.discard(connection)
        self._visitors.pop(connection, None)

    def _keep_spare(self) -> None:
        if self._spare is None and not self._closing:
            with contextlib.suppress(OSError):
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _pause(self, seconds: float) -> None:
        """Take nobody for a moment: who waits goes on waiting at the socket."""
        if self._paused is not None or self._listening is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listening)
        self._paused = loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._paused = None
        if self._listening is not None:
            self._keep_spare()
            asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    # ------------------------------------------------------------------ one connection

    async def _serve(self, connection: _Connection) -> None:
        try:
            while not self._closing and (raw := await self._line(connection)) is not None:
                if connection.visitor and len(self._served) < MAX_CONNECTIONS:
                    self._forget(connection)
                    connection.visitor = False
                    self._served.add(connection)
                connection.silent = False
                if not await self._respond(connection, raw) or connection.visitor:
                    return
                connection.silent, connection.since = True, time.monotonic()
                # A client that asks without end leaves the loop to others in between.
                await asyncio.sleep(0)
        except ValueError:
            await self._say(connection, self._wrong(f"a request is one line of at most {MAX_LINE} bytes"))
            await self._drop_rest(connection)
        except TimeoutError:
            _tell(connection.sock, self._wrong(f"no request came for {IDLE_S:g} s; connect again"))
        except (OSError, asyncio.CancelledError):
            # It went away, or we do.
            pass
        finally:
            self._forget(connection)
            connection.sock.close()

    async def _respond(self, connection: _Connection, raw: bytes) -> bool:
        """Do what one line asks for and say so. What has begun is finished whatever ends this connection."""
        answering = asyncio.ensure_future((self._first if connection.visitor else self._answer)(raw))
        try:
            answer = await asyncio.shield(answering)
        except asyncio.CancelledError:
            await self._say(connection, await answering)
            return False
        return await self._say(connection, answer)

    async def _line(self, connection: _Connection) -> bytes | None:
        """The next line; None when it has no more. Raises `ValueError` for one that is too long, `TimeoutError`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(IDLE_S):
            while (end := connection.read.find(b"\n")) < 0:
                if len(connection.read) > MAX_LINE:
                    raise ValueError("too long")
                more = await loop.sock_recv(connection.sock, MAX_LINE)
                if not more:
                    return None
                connection.read += more
        if end > MAX_LINE:
            raise ValueError("too long")
        line, connection.read = connection.read[: end + 1], connection.read[end + 1 :]
        return line

    async def _say(self, connection: _Connection, answer: bytes) -> bool:
        """Send an answer; False where nobody reads it."""
        try:
            async with asyncio.timeout(CLOSE_S if self._closing else WRITE_S):
                await asyncio.get_running_loop().sock_sendall(connection.sock, answer)
        except TimeoutError:
            log.warning("an answer on the control socket was not read for %g s; the connection is closed", WRITE_S)
            return False
        return True

    async def _drop_rest(self, connection: _Connection) -> None:
        """Let a client that still sends read why it is cut off: closing at once would take the answer from it."""
        with contextlib.suppress(OSError, TimeoutError):
            connection.sock.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(1.0):
                for _ in range(64):
                    if not await asyncio.get_running_loop().sock_recv(connection.sock, MAX_LINE):
                        return


def _tell(sock: socket.socket, answer: bytes) -> None:
    """Send what fits at once."""
    with contextlib.suppress(OSError):
        sock.send(answer)


__all__ = ["MAX_CONNECTIONS", "MAX_LINE", "Lines"]
