"""kill -9, again and again, beside whatever a test does with the server."""

import threading

from harness.options import report


class Killer(threading.Thread):
    """Kills the server at each of the moments (seconds after its last start) and starts it anew.
    A context manager: when it is left the server runs."""

    def __init__(self, server, moments):
        super().__init__(name="killer", daemon=True)
        self.server, self.moments = server, moments
        self.kills, self.failure = 0, None
        self.over = threading.Event()

    def run(self):
        try:
            for moment in self.moments:
                if self.over.wait(moment):
                    return
                self.server.kill()
                self.kills += 1
                self.server.start()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def __enter__(self):
        if not self.server.running():
            self.server.start()
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.join()
        if self.failure is not None:
            if kind is None:
                raise self.failure
            report(f"the server did not come back: {self.failure}")


class Reviver(threading.Thread):
    """Starts the server anew, without its wrapper, when it has died. A context manager; `deaths`
    says whether that happened."""

    def __init__(self, server):
        super().__init__(name="reviver", daemon=True)
        self.server, self.deaths, self.failure = server, 0, None
        self.over = threading.Event()

    def run(self):
        try:
            while not self.over.wait(0.005):
                if not self.server.running():
                    self.server.kill()
                    self.deaths += 1
                    self.server.start()
        except Exception as failure:  # pylint: disable=broad-except
            self.failure = failure

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        if self.failure is not None:
            raise self.failure
