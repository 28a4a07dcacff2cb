"""A real VictoriaMetrics on the loopback, with the two questions a test asks it."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path

from servers.processes import Process, free_port


class VictoriaServer:
    """Takes line protocol on the path that InfluxDB 2 has; ignores token, organisation and bucket."""

    def __init__(self, program: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._process = Process(
            [
                str(program),
                f"-httpListenAddr=127.0.0.1:{port}",
                f"-storageDataPath={folder / 'data'}",
                "-retentionPeriod=100y",
                "-search.latencyOffset=0s",
                "-dedup.minScrapeInterval=1ms",
            ],
            folder / "log",
            f"{self.url}/health",
        )
        self.start = self._process.start
        self.kill = self._process.kill

    def export(self, selector: str) -> list[dict[str, object]]:
        """Every series that matches, with its values and its times in milliseconds."""
        urllib.request.urlopen(f"{self.url}/internal/force_flush", timeout=10).close()
        query = urllib.parse.urlencode({"match[]": selector})
        with urllib.request.urlopen(f"{self.url}/api/v1/export?{query}", timeout=10) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]
