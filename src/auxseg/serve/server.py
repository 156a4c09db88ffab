"""Starts the server, and ends it in order."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from auxseg.errors import Preempted, UsageError
from auxseg.serve.guard import LOCAL

#: Seconds in which requests that are under way are answered after the server was told to end.
DRAIN = 30
#: Connections that may wait to be taken.
BACKLOG = 128


def is_local(host: str) -> bool:
    """Whether a server at this address is reached from this machine alone."""
    return host in LOCAL


def new_token() -> str:
    """22 characters that nobody guesses."""
    return secrets.token_urlsafe(16)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound already, so that its address can be told.

    Args:
        port: 0 for any that is free.

    Raises:
        UsageError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)  # who asks before the first answer waits
    except (OSError, OverflowError) as error:
        bound.close()
        why = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"--host {host} --port {port}: cannot be listened on ({why}); "
            "--port 0 takes any port that is free"
        ) from None
    return bound


def run(app: FastAPI, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Answers until SIGTERM or Ctrl-C, then what was asked before that.

    Args:
        ready: called before the first request.
    """
    config = uvicorn.Config(
        app, log_level="warning", timeout_graceful_shutdown=DRAIN, timeout_keep_alive=5
    )
    ready()
    try:
        uvicorn.Server(config).run(sockets=[bound])
    except (Preempted, KeyboardInterrupt):
        pass  # uvicorn hands the signal on after it has ended in order
    finally:
        bound.close()
