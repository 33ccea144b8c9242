"""Which slice is encoded when, with a real thread and an encoder as slow as the test wants it."""

import threading

import pytest
from NExpRSlicerLib.SliceEncoder import SliceEncoder
from NExpRSlicerLib.Worker import Worker


class SlowEncoding:
    """Encoding starts at once but ends only when the test says so."""

    def __init__(self):
        self.started = []
        self.threads = set()
        self.inFlight = self.mostInFlight = 0
        self._gate = threading.Semaphore(0)
        self._lock = threading.Lock()

    def __call__(self, content):
        with self._lock:
            self.started.append(content)
            self.threads.add(threading.current_thread())
            self.inFlight += 1
            self.mostInFlight = max(self.mostInFlight, self.inFlight)
        assert self._gate.acquire(timeout=10)
        with self._lock:
            self.inFlight -= 1
        if content == "bad":
            raise ValueError("bad slice")
        return f"encoded {content}"

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


def request(encoder, key):
    encoder.request(key, lambda: key)


def finish(encoder, slow):
    slow.finishOne()
    encoder.poll(timeout=10)


def test_requests_during_encoding_wait_and_the_newest_wins(encoder, slow):
    for key in ("a", "b", "c", "d"):
        request(encoder, key)
    finish(encoder, slow)
    assert encoder.value is None, "the outdated slice is not shown"
    finish(encoder, slow)
    assert (encoder.key, encoder.value) == ("d", "encoded d")
    assert slow.started == ["a", "d"]
    assert slow.mostInFlight == 1
    assert not encoder.pending


def test_repeated_requests_for_the_same_slice_encode_once(encoder, slow):
    for _ in range(5):
        request(encoder, "a")
    finish(encoder, slow)
    for _ in range(5):
        request(encoder, "a")
    assert slow.started == ["a"]
    assert encoder.value == "encoded a"


def test_going_back_while_encoding_does_not_encode_again(encoder, slow):
    for key in ("a", "b", "a"):
        request(encoder, key)
    finish(encoder, slow)
    assert (encoder.key, slow.started, encoder.pending) == ("a", ["a"], False)


def test_returning_to_the_encoded_slice_keeps_it(encoder, slow):
    request(encoder, "a")
    finish(encoder, slow)
    request(encoder, "b")
    request(encoder, "a")
    finish(encoder, slow)
    assert (encoder.key, encoder.value) == ("a", "encoded a")


def test_content_is_read_in_the_main_thread_when_encoding_starts(encoder, slow):
    readers = []

    def read():
        readers.append(threading.current_thread())
        return "content"

    request(encoder, "a")
    encoder.request("b", read)
    assert readers == []
    finish(encoder, slow)
    assert readers == [threading.main_thread()]


def test_all_encoding_runs_in_one_thread_that_is_not_the_main_one(encoder, slow):
    for key in "abc":
        request(encoder, key)
        finish(encoder, slow)
    assert len(slow.threads) == 1
    assert threading.main_thread() not in slow.threads


def test_release_drops_the_slice_in_flight(encoder, slow):
    request(encoder, "a")
    encoder.release()
    finish(encoder, slow)
    assert (encoder.key, encoder.value) == (None, None)
    request(encoder, "a")
    finish(encoder, slow)
    assert encoder.key == "a"


def test_a_failure_is_reported_once_and_does_not_block_others(encoder, slow):
    request(encoder, "bad")
    finish(encoder, slow)
    assert str(encoder.error) == "bad slice"
    request(encoder, "bad")
    assert slow.started == ["bad"]
    request(encoder, "good")
    assert encoder.error is None
    finish(encoder, slow)
    assert encoder.value == "encoded good"


def test_requests_wait_while_the_worker_does_something_else(encoder, worker, slow):
    done = threading.Event()
    worker.submit(lambda: done.wait(10), lambda value, error: None)
    request(encoder, "a")
    assert slow.started == []
    done.set()
    encoder.poll(timeout=10)
    finish(encoder, slow)
    assert encoder.key == "a"


def test_worker_refuses_a_second_function_and_survives_exceptions(worker):
    errors = []
    worker.submit(lambda: 1 / 0, lambda value, error: errors.append(error))
    with pytest.raises(RuntimeError):
        worker.submit(lambda: 1, lambda value, error: None)
    worker.poll(timeout=10)
    assert isinstance(errors[0], ZeroDivisionError)
    results = []
    worker.submit(lambda: 2, lambda value, error: results.append(value))
    worker.poll(timeout=10)
    assert results == [2]


def test_stopped_worker_drops_its_result_and_ends_its_thread(worker):
    started, gate, results = threading.Event(), threading.Event(), []
    threads = []

    def function():
        threads.append(threading.current_thread())
        started.set()
        gate.wait(10)

    worker.submit(function, lambda value, error: results.append(value))
    assert started.wait(10)
    worker.stop(timeout=0)
    gate.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
    worker.poll(timeout=0.01)
    assert results == []


def test_content_that_cannot_be_read(encoder, slow):
    def fails():
        raise ValueError("no content")

    encoder.request("a", fails)
    assert str(encoder.error) == "no content"
    assert not encoder.pending
    request(encoder, "b")
    finish(encoder, slow)
    assert (encoder.value, encoder.error) == ("encoded b", None)
