"""The server's resident memory over time."""

import threading

INTERVAL_SECONDS = 0.05


class MemoryMeter(threading.Thread):
    """Within it, the most that was resident since the last call of peak(), in KiB."""

    def __init__(self, server):
        super().__init__(name="memory meter", daemon=True)
        self.server, self.over = server, threading.Event()
        self.lock, self.most = threading.Lock(), 0

    def run(self):
        while not self.over.wait(INTERVAL_SECONDS):
            self._sample()

    def _sample(self):
        now = self.server.memory_kib("VmRSS")
        with self.lock:
            self.most = max(self.most, now)
        return now

    def now(self):
        return self._sample()

    def peak(self):
        self._sample()
        with self.lock:
            most, self.most = self.most, 0
        return most

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def mib(kib):
    return f"{kib / 1024:.1f} MiB"
