"""A real InfluxDB 2 on the loopback, with what a test asks it: buckets, tokens, queries."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient

from servers.processes import Process, free_port
from twolbms.outlets.influx_setup import SetupPlan, query_influxql, set_up
from twolbms.outlets.influx_target import InfluxTarget

ORG = "site1"


class InfluxServer:
    """Started empty in `folder`; `set_up` is the project's own, so the server that answers is surely this one."""

    def __init__(self, program: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{port}"
        self._process = Process(
            [
                str(program),
                "--bolt-path",
                str(folder / "bolt"),
                "--sqlite-path",
                str(folder / "sqlite"),
                "--engine-path",
                str(folder / "engine"),
                "--http-bind-address",
                f"127.0.0.1:{port}",
                "--log-level",
                "warn",
            ],
            folder / "log",
            f"{self.url}/health",
            {"INFLUXD_REPORTING_DISABLED": "true"},
        )
        self.start = self._process.start
        self.kill = self._process.kill

    def plan(self, bucket: str, retention_s: int = 0) -> SetupPlan:
        """A site's wishes for a bucket of this server."""
        own = self.folder / bucket
        target = InfluxTarget("site1", self.url, ORG, bucket, own / "write-token", timeout_s=10)
        return SetupPlan(target, self.folder / "admin-token", own / "read-token", retention_s)

    def fresh_bucket(self) -> SetupPlan:
        """A bucket of a random name, ready to be written and read."""
        plan = self.plan(f"bms-{secrets.token_hex(4)}")
        set_up(plan)
        return plan

    def flux(self, plan: SetupPlan, pipeline: str) -> list[Any]:
        """Records of a Flux query that begins with the whole bucket, through influxdb-client."""
        query = f'from(bucket: "{plan.target.bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) {pipeline}'
        with InfluxDBClient(self.url, plan.read_token_file.read_text().strip(), org=ORG) as client:
            return [record for table in client.query_api().query(query) for record in table.records]

    def count(self, plan: SetupPlan) -> int:
        """How many values the bucket holds in all."""
        return sum(record.get_value() for record in self.flux(plan, "|> count()"))

    def influxql(self, plan: SetupPlan, query: str) -> list[dict[str, Any]]:
        """The series of one InfluxQL statement, asked with the read token as Grafana would."""
        (result,) = query_influxql(plan.target, plan.read_token_file.read_text().strip(), query)
        assert "error" not in result, result["error"]
        series: list[dict[str, Any]] = result.get("series", [])
        return series
