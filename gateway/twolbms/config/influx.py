"""The `influxdb:` section of a site file: where samples, events and decoded frames go besides the journal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from twolbms.config.addresses import is_web_address
from twolbms.config.errors import Misfit
from twolbms.config.model import StrictModel

Server = Literal["influxdb2", "influxdb3", "victoriametrics"]

REWIND_S: dict[Server, float] = {"influxdb2": 0.0, "influxdb3": 0.0, "victoriametrics": 10.0}
"""What a kind of server may lose of what it has answered. Both InfluxDBs answer when it is on disk; VictoriaMetrics
flushes every few seconds (the last two were missing after SIGKILL of 1.79)."""


class MinutesSection(StrictModel):
    """Values of a minute's grain for years, beside the raw ones of some weeks."""

    bucket: str = Field(default="bms_minutes", min_length=1, description="Bucket of the minute values")
    retention_days: int = Field(default=3650, ge=0, le=36500, description="How long it keeps them; 0: for ever")


class InfluxSection(StrictModel):
    """An InfluxDB 2 or what takes its write calls. The token stands in a file of its own, never in the site file."""

    url: str = Field(default="http://127.0.0.1:8086", pattern=r"^https?://[^\s/]+", description="Address of the server")
    server: Server = Field(default="influxdb2", description=(
        "Kind of server: influxdb2, influxdb3 (Core), victoriametrics"))
    org: str = Field(default="", description="Organisation; InfluxDB 2 wants one, the others know none")
    bucket: str = Field(default="bms", min_length=1, description=(
        "Bucket that is written; pages know it as the database of this name"))
    token_file: str | None = Field(default=None, min_length=1, description=(
        "File with the gateway's write token; a relative path starts at the site file"))
    read_token_file: str | None = Field(default=None, min_length=1, description=(
        "File for Grafana's read token, made by `influx setup`; default: influx-read-token beside token_file"))
    admin_token_file: str | None = Field(default=None, min_length=1, description=(
        "File with the token that `influx setup` works with, made by it on a new server; default: influx-admin-token "
        "beside token_file"))
    ca_file: str | None = Field(default=None, min_length=1, description=(
        "Certificate to trust, when the server's own is not publicly signed"))
    compress: bool | None = Field(default=None, description=(
        "Whether what is sent is packed (gzip); default: unless the server is on this machine"))
    retention_days: int = Field(default=30, ge=0, le=36500, description="How long the bucket keeps data; 0: for ever")
    minutes: MinutesSection | None = Field(default=MinutesSection(), description=(
        "Minute values in a bucket of their own; null: none. VictoriaMetrics gets them only where this is written out"))
    rewind_s: float | None = Field(default=None, strict=False, ge=0, le=600, description=(
        "After any trouble this much is sent once more, because a restart of the server may have taken it, s; "
        "default: 10 for victoriametrics, else 0"))
    timeout_s: float = Field(default=10.0, strict=False, gt=0, le=300, description="Longest wait for an answer, s")

    @model_validator(mode="after")
    def _agrees(self) -> InfluxSection:
        missing = [key for key in ("org", "token_file") if self.server == "influxdb2" and not getattr(self, key)]
        if missing:
            raise Misfit(*(((key,), "this key is missing: expected text of at least 1 character") for key in missing))
        if not is_web_address(self.url):
            raise Misfit((("url",), "expected http:// or https://, a host and perhaps a port; no user, password or "
                                    "query"))
        if self.minutes is not None and self.minutes.bucket == self.bucket:
            raise Misfit((("minutes", "bucket"), "expected another bucket than that of the raw values: minute values "
                                                 "would stand among them"))
        return self

    @property
    def rewind(self) -> float:
        """`rewind_s`, or what this kind of server needs."""
        return REWIND_S[self.server] if self.rewind_s is None else self.rewind_s

    @property
    def minute_values(self) -> MinutesSection | None:
        """Where minute values go; None where none are wanted."""
        if self.server == "victoriametrics" and "minutes" not in self.model_fields_set:
            return None
        return self.minutes
