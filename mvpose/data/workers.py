"""Mapping over people or pictures in several processes, in order, with clear errors."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

import cv2

from mvpose.errors import InputError

OrderedMap = Callable[..., Iterator[Any]]
"""``map`` of a function that can be pickled: the results in the order of the items."""


@contextmanager
def ordered_map(workers: int, task: str) -> Iterator[OrderedMap]:
    """``map`` in this process where ``workers`` is at most 1, else in as many others.

    Args:
        workers: processes, each with one thread of OpenCV.
        task: what a process does, for the message: "draws people".

    Raises:
        InputError: the system stopped a process.
    """
    if workers <= 1:
        yield map
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker)
    try:
        yield pool.map
    except BrokenProcessPool as error:
        raise InputError(
            f"a process that {task} was stopped by the system",
            "memory probably ran out: lower --workers and start the same command again",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the process that writes, and the other cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
