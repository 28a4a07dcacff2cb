"""CPU of a gateway on a saturated bus of 500 kbit/s (4,504 frames/s): receive, decode, keep, send to a database.

The peer is the usual script: python-can's Notifier with a BufferedReader, cantools, influxdb-client's Point and its
batching WriteApi, which keeps nothing on disk. Ours is the whole `2lbms run`: kernel time stamps, the journal with
fdatasync each second, a site's ticks. Neither packs what it sends, for the database is on the same machine.

A kernel without CAN has no interface to give, so both read 16-byte frames as datagrams of a loopback socket with
kernel time stamps: the same calls as on a CAN socket, one datagram a frame. CPU is of the whole process with all its
threads, from the first second after the first frame to the last frame. Both must have sent every frame's line.
"""

from __future__ import annotations

import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from sink import Sink, running_sink  # noqa: E402 - after the path is set
from workload import frames, write_dbc  # noqa: E402

SHORT = os.environ.get("TWOLBMS_BENCH") == "short"
RATE = 4504  # frames/s of 8 bytes, 11-bit ids, on 500 kbit/s
SECONDS = 6 if SHORT else 20
ROUNDS = 1 if SHORT else 5
WARM_S = 1.0
DRAIN_S = 20.0
GOAL = 10.0
TICKS_S = os.sysconf("SC_CLK_TCK")

PEER = '''
import socket, struct, sys, threading
from pathlib import Path
import can, cantools
from can.interfaces.socketcan.socketcan import capture_message
from influxdb_client import InfluxDBClient, Point, WriteOptions

dbc, url = sys.argv[1:]

class DatagramBus(can.BusABC):
    """What python-can's socketcan bus does for a frame, on a datagram socket."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.channel_info = "datagrams"
        super().__init__("datagrams")

    def _recv_internal(self, timeout):
        import select
        if not select.select([self.socket], [], [], timeout)[0]:
            return None, False
        return capture_message(self.socket), False

    def send(self, msg, timeout=None):
        raise NotImplementedError

database = cantools.database.load_file(dbc)
names = {message.frame_id: message.name for message in database.messages}
client = InfluxDBClient(url=url, token="t", org="o")
writes = client.write_api(write_options=WriteOptions(batch_size=5000, flush_interval=1000))
bus = DatagramBus()
reader = can.BufferedReader()
notifier = can.Notifier(bus, [reader])
print(bus.socket.getsockname()[1], flush=True)
while True:
    message = reader.get_message(0.5)
    if message is None:
        continue
    values = database.decode_message(message.arbitration_id, message.data, decode_choices=False)
    point = Point(names[message.arbitration_id]).tag("bus", "can0").tag("site", "bench")
    point.time(round(message.timestamp * 1e9))
    for name, value in values.items():
        point.field(name, value)
    writes.write("bms", "o", point)
'''

OURS = '''
import socket, sys
import twolbms.app as app
from twolbms.sources.socketcan import SocketCanBus

def datagrams(name, interface, channel, bitrate, clock):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    print(sock.getsockname()[1], flush=True)
    return SocketCanBus(name, sock, clock)

app.open_bus = datagrams
from twolbms.cli.run import run_command
from twolbms.clock import StoryClock
run_command([sys.argv[1], "--clock", StoryClock.begin(1.0).text()])  # a machine without network time would wait
'''

SITE = """site: bench
buses:
  - {{name: can0, interface: socketcan, channel: can0, dbc: [workload.dbc]}}
influxdb: {{url: "{url}", org: o, bucket: bms, token_file: token}}
"""


def run() -> list[dict[str, Any]]:
    """The ratio of the peer's CPU time to ours, and what of a core each took."""
    ratios, shares = [], []
    for _ in range(ROUNDS):
        peer, ours = peer_share(), our_share()
        ratios.append(peer / ours)
        shares.append((peer, ours))
    peer, ours = (statistics.median(side) for side in zip(*shares, strict=True))
    print(f"  live: the usual script took {peer:.1%} of a core, 2lbms run {ours:.1%}", file=sys.stderr)
    return [{"metric": f"live, {RATE} frames/s to a database: usual script CPU / ours",
             "ratio_median": round(statistics.median(ratios), 2), "ratio_min": round(min(ratios), 2), "goal": GOAL,
             "better": "higher"}]


def peer_share() -> float:
    """Share of a core that the usual script takes."""
    with tempfile.TemporaryDirectory() as name, running_sink() as sink:
        dbc = write_dbc(Path(name) / "workload.dbc")
        return share_of(["-c", PEER, str(dbc), sink.url], sink)


def our_share() -> float:
    """Share of a core that the gateway takes."""
    with tempfile.TemporaryDirectory(dir=HERE.parents[1] / "build") as name, running_sink() as sink:
        folder = Path(name)
        write_dbc(folder / "workload.dbc")
        (folder / "token").write_text("t")
        (folder / "site.yaml").write_text(SITE.format(url=sink.url))
        return share_of(["-c", OURS, str(folder / "site.yaml")], sink)


def share_of(arguments: list[str], sink: Sink) -> float:
    """Starts the receiver, sends at the bus's rate, and measures; every frame must have become a line at the sink."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)
    try:
        assert process.stdout
        port = int(process.stdout.readline())
        cpu_s, sent = paced(port, process.pid)
        until = time.monotonic() + DRAIN_S
        while sink.counts()["frames"] < sent and time.monotonic() < until:
            time.sleep(0.1)
        lines = sink.counts()["frames"]
        assert lines == sent, f"{lines} lines of {sent} frames"
        return cpu_s / (SECONDS - WARM_S)
    finally:
        process.terminate()
        process.wait(20)


def paced(port: int, pid: int) -> tuple[float, int]:
    """Sends frames one datagram each as a saturated bus brings them; CPU seconds after the warm-up, frames sent."""
    count = int(RATE * SECONDS)
    datagrams = [struct.pack("<IB3x8s", frame_id, 8, data) for _, frame_id, data in frames(count)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", port))
        start = time.monotonic()
        warm_cpu_s = None
        sent = 0
        while sent < count:
            now = time.monotonic() - start
            due = min(count, int(now * RATE))
            for datagram in datagrams[sent:due]:
                sock.send(datagram)
            sent = due
            if warm_cpu_s is None and now >= WARM_S:
                warm_cpu_s = cpu_of(pid)
            time.sleep(0.0005)
        assert warm_cpu_s is not None
        return cpu_of(pid) - warm_cpu_s, count


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far, all threads, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


if __name__ == "__main__":
    for line in run():
        print(line)
