"""Which slice is encoded when, with a real thread and an encoder as slow as the test wants it."""

import threading
import time
from dataclasses import dataclass

import pytest

from NExpRSlicerLib import SliceEncoder as module
from NExpRSlicerLib.SliceEncoder import SliceEncoder
from NExpRSlicerLib.Worker import Cancelled, Worker


@dataclass
class Encoded:
    name: str
    nbytes: int = 1


class SlowEncoding:
    """Encoding starts at once but ends only when the test says so, or when the slice is superseded."""

    def __init__(self):
        self.started, self.stopped = [], []
        self.threads = set()
        self.inFlight = self.mostInFlight = 0
        self.interruptible = True
        self._gate = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, content, superseded):
        with self._lock:
            self.started.append(content)
            self.threads.add(threading.current_thread())
            self.inFlight += 1
            self.mostInFlight = max(self.mostInFlight, self.inFlight)
        try:
            end = time.monotonic() + 10
            while not self._gate.acquire(timeout=0.005):
                assert time.monotonic() < end
                if self.interruptible and superseded():
                    self.stopped.append(content)
                    raise Cancelled()
        finally:
            with self._lock:
                self.inFlight -= 1
        if content == "bad":
            raise ValueError("bad slice")
        return Encoded(content)

    def finishOne(self):
        self._gate.release()


@pytest.fixture
def slow():
    return SlowEncoding()


@pytest.fixture
def worker(slow):
    worker = Worker()
    yield worker
    for _ in range(10):
        slow.finishOne()
    worker.stop()


@pytest.fixture
def encoder(worker, slow):
    return SliceEncoder(worker, slow)


def request(encoder, key, neighbors=()):
    encoder.request(key, lambda: key, [(each, lambda each=each: each) for each in neighbors])


def wait(encoder, condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "timeout"
        encoder.poll(timeout=0.01)


def finish(encoder, slow, key):
    slow.finishOne()
    wait(encoder, lambda: encoder.get(key) is not None)


def test_newest_request_wins_and_obsolete_ones_are_stopped(encoder, slow):
    request(encoder, "a")
    wait(encoder, lambda: slow.started == ["a"])
    for key in ("b", "c", "d"):
        request(encoder, key)
    wait(encoder, lambda: slow.started[-1] == "d")
    finish(encoder, slow, "d")
    assert encoder.get("d").name == "d"
    assert encoder.get("a") is None
    assert "a" in slow.stopped
    assert slow.mostInFlight == 1
    assert not encoder.pending


def test_repeated_requests_for_the_same_slice_encode_once(encoder, slow):
    for _ in range(5):
        request(encoder, "a")
    finish(encoder, slow, "a")
    for _ in range(5):
        request(encoder, "a")
    assert slow.started == ["a"]


def test_going_back_before_a_slice_was_stopped_does_not_encode_it_again(encoder, slow):
    slow.interruptible = False  # Between two checks.
    for key in ("a", "b", "a"):
        request(encoder, key)
    finish(encoder, slow, "a")
    assert slow.started[0] == "a"
    assert slow.started.count("a") == 1


def test_going_back_after_a_slice_was_stopped_encodes_it_again(encoder, slow):
    request(encoder, "a")
    wait(encoder, lambda: slow.started == ["a"])
    request(encoder, "b")
    end = time.monotonic() + 10
    while slow.stopped != ["a"] and time.monotonic() < end:
        time.sleep(0.005)
    request(encoder, "a")
    wait(encoder, lambda: slow.started.count("a") == 2)
    finish(encoder, slow, "a")


def test_slices_are_kept(encoder, slow):
    for key in "abc":
        request(encoder, key)
        finish(encoder, slow, key)
    for key in "abc":
        request(encoder, key)
        assert encoder.get(key).name == key
    assert slow.started == ["a", "b", "c"]


def test_memory_is_bounded_and_the_slice_used_last_is_kept_longest(encoder, slow, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 3)
    for key in "abc":
        request(encoder, key)
        finish(encoder, slow, key)
    request(encoder, "a")
    request(encoder, "d")
    finish(encoder, slow, "d")
    assert [encoder.get(key) is not None for key in "abcd"] == [True, False, True, True]


def test_neighbors_are_encoded_when_the_current_slice_is_there(encoder, slow):
    request(encoder, "a", "bc")
    wait(encoder, lambda: slow.started == ["a"])
    finish(encoder, slow, "a")
    finish(encoder, slow, "b")
    assert encoder.pending
    finish(encoder, slow, "c")
    assert slow.started == ["a", "b", "c"]
    assert not encoder.pending


def test_neighbor_makes_way_for_the_current_slice(encoder, slow):
    request(encoder, "a", "b")
    finish(encoder, slow, "a")
    wait(encoder, lambda: slow.started == ["a", "b"])
    request(encoder, "x", "a")
    wait(encoder, lambda: slow.started == ["a", "b", "x"])
    assert slow.stopped == ["b"]
    finish(encoder, slow, "x")


def test_neighbor_that_becomes_the_current_slice_is_not_encoded_twice(encoder, slow):
    request(encoder, "a", "b")
    finish(encoder, slow, "a")
    wait(encoder, lambda: slow.started == ["a", "b"])
    request(encoder, "b", "a")
    finish(encoder, slow, "b")
    assert slow.started == ["a", "b"]


def test_neighbors_that_do_not_fit_into_memory_are_not_encoded(encoder, slow, monkeypatch):
    """Otherwise one would displace the other, again and again."""
    monkeypatch.setattr(module, "KEPT_BYTES", 2)
    request(encoder, "a", "bcd")
    finish(encoder, slow, "a")
    finish(encoder, slow, "b")
    assert not encoder.pending
    assert encoder.get("a") is not None


def test_content_is_read_in_the_main_thread_when_encoding_starts(encoder, slow):
    readers = []

    def read(key):
        readers.append((key, threading.current_thread()))
        return key

    encoder.request("a", lambda: read("a"), [("b", lambda: read("b"))])
    assert readers == [("a", threading.main_thread())]
    finish(encoder, slow, "a")
    assert readers[1:] == [("b", threading.main_thread())]
    finish(encoder, slow, "b")


def test_all_encoding_runs_in_one_thread_that_is_not_the_main_one(encoder, slow):
    for key in "abc":
        request(encoder, key)
        finish(encoder, slow, key)
    assert len(slow.threads) == 1
    assert threading.main_thread() not in slow.threads


def test_arrival_of_the_current_slice_is_told(worker, slow):
    told = []
    encoder = SliceEncoder(worker, slow, lambda: told.append(True))
    request(encoder, "a", "b")
    finish(encoder, slow, "a")
    finish(encoder, slow, "b")
    assert told == [True]


def test_release_drops_the_slice_in_flight(encoder, slow):
    request(encoder, "a")
    wait(encoder, lambda: slow.started == ["a"])
    encoder.release()
    wait(encoder, lambda: not encoder.pending)
    assert encoder.get("a") is None
    request(encoder, "a")
    finish(encoder, slow, "a")


def test_a_failure_is_reported_once_and_does_not_block_others(encoder, slow):
    request(encoder, "bad")
    slow.finishOne()
    wait(encoder, lambda: encoder.error("bad") is not None)
    assert str(encoder.error("bad")) == "bad slice"
    request(encoder, "bad")
    assert slow.started == ["bad"]
    request(encoder, "good")
    assert encoder.error("good") is None
    finish(encoder, slow, "good")


def test_neighbors_wait_while_the_worker_does_something_else(encoder, worker, slow):
    done = threading.Event()
    request(encoder, "a", "b")
    finish(encoder, slow, "a")
    wait(encoder, lambda: slow.started == ["a", "b"])
    finish(encoder, slow, "b")
    worker.submit(lambda: done.wait(10), lambda value, error: None)
    request(encoder, "a", "c")
    encoder.poll()
    assert slow.started == ["a", "b"]
    done.set()
    wait(encoder, lambda: slow.started == ["a", "b", "c"])


def test_current_slice_is_encoded_where_a_long_function_makes_room(encoder, worker, slow):
    started, parts = threading.Event(), []

    def long():
        for part in range(3):
            parts.append(part)
            started.set()
            end = time.monotonic() + 10
            while part == 0 and not slow.started and time.monotonic() < end:
                worker.makeRoom()
                time.sleep(0.005)
        return list(slow.started)

    results = []
    worker.submit(long, lambda value, error: results.append(value))
    assert started.wait(10)
    request(encoder, "a")
    finish(encoder, slow, "a")
    wait(encoder, lambda: results)
    assert results == [["a"]]
    assert parts == [0, 1, 2]


def test_worker_survives_exceptions(worker):
    errors, results = [], []
    worker.submit(lambda: 1 / 0, lambda value, error: errors.append(error))
    worker.submit(lambda: 2, lambda value, error: results.append(value))
    end = time.monotonic() + 10
    while worker.busy and time.monotonic() < end:
        worker.poll(timeout=0.1)
    assert isinstance(errors[0], ZeroDivisionError)
    assert results == [2]


@pytest.mark.parametrize("makesRoom", [False, True])
def test_stopped_worker_drops_its_result_and_ends_its_thread(worker, makesRoom):
    started, gate, results = threading.Event(), threading.Event(), []
    threads = []

    def function():
        threads.append(threading.current_thread())
        started.set()
        gate.wait(10)
        if makesRoom:
            worker.makeRoom()

    worker.submit(function, lambda value, error: results.append(value))
    assert started.wait(10)
    worker.stop(timeout=0)
    gate.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
    worker.poll(timeout=0.01)
    assert results == []
