"""A database that is away for ten minutes of a bus with 1,760 frames/s: memory, the drain afterwards, live latency.

The whole `2lbms run` in a process of its own, its bus fed as datagrams of a loopback socket with kernel time stamps (a
kernel without CAN has no interface to give), its database a sink that refuses connections while it is away. Every frame
of its journal must arrive. To save time the outage is fed faster than real time, as the metric says: what grows with
the number of frames grows as in the whole outage. The warm-up is fed as fast, the time after the outage at real speed.

RSS growth is the largest of outage and drain against the largest of the warm-up. Drain speed is frames of the outage a
second, against 1,760. Latency is arrival minus the frame's own time, the largest of the frames received after the
gateway's first write to the returned database; how long it takes to notice the return (at most 15 s) is not in it.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from twolbms.journal import JournalReader  # noqa: E402 - after the path is set
from twolbms.outlets.local_client import LocalClient  # noqa: E402

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
OUTAGE_S = 60 if SHORT else 600
FASTER = 6 if SHORT else 8
WARM_S = 5 if SHORT else 10
ROUNDS = 1 if SHORT else 3
MOST_DRAIN_S = 120.0
CAUGHT_UP_S = 3.0  # the live lane itself is up to 1.5 s behind
MIB = 1 << 20

OURS = '''
import socket, sys
import twolbms.app as app
from twolbms.sources.socketcan import SocketCanBus

def datagrams(name, interface, channel, bitrate, clock):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    return SocketCanBus(name, sock, clock)

app.open_bus = datagrams
from twolbms.cli.run import run_command
run_command(sys.argv[1:])
'''

SITE = """site: bench
buses:
  - {{name: can0, interface: socketcan, channel: can0, dbc: [workload.dbc]}}
influxdb: {{url: "{url}", org: o, bucket: bms, token_file: token, timeout_s: 2}}
"""


class Sink(BaseHTTPRequestHandler):
    """Takes writes; remembers which frames' lines it has seen and how old the new ones were."""

    protocol_version = "HTTP/1.1"
    away: ClassVar[bool] = False
    back_ns: ClassVar[int] = 1 << 63
    seen: ClassVar[set[int]] = set()
    latest_s: ClassVar[float] = 0.0

    def do_POST(self) -> None:
        """One write to the bucket of raw values, or of minute values, which is only answered."""
        now_ns = time.time_ns()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if Sink.away:
            self.close_connection = True
            return
        if "bucket=bms&" in self.path:
            if self.headers.get("Content-Encoding") == "gzip":
                body = zlib.decompress(body, 47)
            lines = [line for line in body.split(b"\n") if b",bus=can0," in line and not line.startswith(b"bus,")]
            Sink.back_ns = min(Sink.back_ns, now_ns)  # from the first write on there is a database again
            Sink.seen.update(map(hash, lines))
            newest = [int(line[-19:]) for line in lines[::20]]
            age_s = max((now_ns - each for each in newest if each > Sink.back_ns), default=0) / 1e9
            Sink.latest_s = max(Sink.latest_s, age_s)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def serve_sink() -> None:
    """The sink's own process: prints its port, then obeys lines on its standard input and answers each in JSON."""
    port = 0
    server: ThreadingHTTPServer | None = None
    for command in chain(["up"], map(str.strip, iter(sys.stdin.readline, ""))):
        if command == "up":
            Sink.away, Sink.back_ns, Sink.latest_s = False, 1 << 63, 0.0
            server = ThreadingHTTPServer(("127.0.0.1", port), Sink)
            server.daemon_threads = True
            port = server.server_address[1]
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        elif command == "down" and server is not None:
            Sink.away = True
            server.shutdown()
            server.server_close()
        print(json.dumps({"port": port, "frames": len(Sink.seen), "latency_s": Sink.latest_s}), flush=True)


class SinkProcess:
    """A sink that comes and goes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, str(HERE / "bench_outage.py"), "sink"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout
        self.port = json.loads(self.process.stdout.readline())["port"]

    def tell(self, command: str) -> dict[str, Any]:
        """up, down, or look; what it has seen by then."""
        assert self.process.stdin and self.process.stdout
        print(command, file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


class Feeder(threading.Thread):
    """Sends the drive over and over to the gateway's bus at a rate that may be changed."""

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(daemon=True)
        from workload import DRIVE_FRAMES, frames
        self._datagrams = [struct.pack("<IB3x8s", frame_id, 8, data) for _, frame_id, data in frames(DRIVE_FRAMES)]
        self._port = port
        self.rate = rate
        self.sent = 0
        self.ends = False

    def run(self) -> None:
        """Until it ends."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", self._port))
            last, due = time.monotonic(), 0.0
            while not self.ends:
                now = time.monotonic()
                due += (now - last) * self.rate
                last = now
                while self.sent + 1 <= due:
                    sock.send(self._datagrams[self.sent % len(self._datagrams)])
                    self.sent += 1
                time.sleep(0.001)


class Memory(threading.Thread):
    """Looks at a process's resident memory four times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self.most = 0
        self.ends = False

    def run(self) -> None:
        """Until it ends."""
        while not self.ends:
            self.most = max(self.most, self.now())
            time.sleep(0.25)

    def now(self) -> int:
        """Bytes."""
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def take(self) -> int:
        """The largest since the last time."""
        most, self.most = max(self.most, self.now()), 0
        return most


def play() -> tuple[float, float, float]:
    """One outage: RSS growth in MiB, drain speed in multiples of real time, latency in seconds."""
    from workload import FRAMES_PER_S, write_dbc

    with tempfile.TemporaryDirectory(dir=HERE.parents[1] / "build") as name:
        folder = Path(name)
        write_dbc(folder / "workload.dbc")
        (folder / "token").write_text("t")
        sink = SinkProcess()
        (folder / "site.yaml").write_text(SITE.format(url=f"http://127.0.0.1:{sink.port}"))
        mono_ns = time.monotonic_ns()
        clock = f"{mono_ns},{mono_ns},1.0,{time.time_ns() - mono_ns}"
        with (folder / "log").open("wb") as log:
            gateway = subprocess.Popen([sys.executable, "-c", OURS, str(folder / "site.yaml"), "--clock", clock],
                                       stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert gateway.stdout
            feeder = Feeder(int(gateway.stdout.readline()), FRAMES_PER_S * FASTER)
            memory = Memory(gateway.pid)
            feeder.start()
            memory.start()
            figures = _outage(sink, feeder, memory, folder / "run")
            gateway.terminate()
            gateway.wait(20)
            kept = sum(block.columns.count for block in JournalReader(folder / "run/journal").frame_tables())
            seen = sink.tell("look")["frames"]
            assert seen == kept, f"{seen} frames are in the database, {kept} in the journal"
            print(f"  outage: all {kept} frames of the journal arrived; {feeder.sent - kept} of {feeder.sent} were not "
                  "received", file=sys.stderr)
            return figures
        except Exception:
            print((folder / "log").read_text()[-2000:], file=sys.stderr)
            raise
        finally:
            for process in (gateway, sink.process):
                process.kill()
                process.wait()


def _outage(sink: SinkProcess, feeder: Feeder, memory: Memory, run_folder: Path) -> tuple[float, float, float]:
    from workload import FRAMES_PER_S

    time.sleep(WARM_S)
    before = memory.take()
    sink.tell("down")
    missed = feeder.sent
    time.sleep(OUTAGE_S / FASTER)
    feeder.rate = FRAMES_PER_S
    missed = feeder.sent - missed
    in_outage = memory.take()
    had = sink.tell("up")["frames"]
    while sink.tell("look")["frames"] == had:  # until the gateway has noticed
        time.sleep(0.05)
    begun_s = time.monotonic()
    gateway = LocalClient(run_folder / "2lbms.sock")
    while (lag_s := gateway.snapshot()["outlets"]["influxdb"]["lag_s"]) is None or lag_s > CAUGHT_UP_S:
        assert time.monotonic() - begun_s < MOST_DRAIN_S, f"{lag_s} s behind after {MOST_DRAIN_S} s"
        time.sleep(0.1)
    took_s = time.monotonic() - begun_s
    feeder.ends = True
    feeder.join()
    frames, more = sink.tell("look")["frames"], -1
    while frames != more:
        time.sleep(3)
        frames, more = sink.tell("look")["frames"], frames
    in_drain = memory.take()
    memory.ends = True
    memory.join()
    print(f"  outage: {missed} frames missed, RSS {before / MIB:.1f} MiB before, "
          f"+{(in_outage - before) / MIB:.1f} in the outage, +{(in_drain - before) / MIB:.1f} in the drain, "
          f"drained in {took_s:.1f} s", file=sys.stderr)
    growth = max(in_outage, in_drain) - before
    return max(growth, 0) / MIB, missed / took_s / FRAMES_PER_S, sink.tell("look")["latency_s"]


def run() -> list[dict[str, Any]]:
    """Three results: growth, speed, latency."""
    rounds = [play() for _ in range(ROUNDS)]
    what = f"{OUTAGE_S} s outage at 1,760 frames/s, fed {FASTER}x as fast"
    return [
        _result(f"{what}: RSS growth, MiB", [one[0] for one in rounds], 5.0, "lower"),
        _result(f"{what}: drain speed / real time", [one[1] for one in rounds], 20.0, "higher"),
        _result(f"{what}: live latency in the drain, s", [one[2] for one in rounds], 2.0, "lower"),
    ]


def _result(metric: str, values: list[float], goal: float, better: str) -> dict[str, Any]:
    worst = min(values) if better == "higher" else max(values)
    return {"metric": metric, "ratio_median": round(statistics.median(values), 2), "ratio_min": round(worst, 2),
            "goal": goal, "better": better}


if __name__ == "__main__":
    if sys.argv[1:] == ["sink"]:
        serve_sink()
    else:
        for line in run():
            print(line)
