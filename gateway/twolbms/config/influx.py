"""The `influxdb:` section of a site file: where samples and events go besides the journal."""

from __future__ import annotations

from pydantic import Field

from twolbms.config.model import StrictModel


class InfluxSection(StrictModel):
    """An InfluxDB 2.x, or what takes its write calls. The token stands in a file of its own, never in the site file."""

    url: str = Field(default="http://127.0.0.1:8086", pattern=r"^https?://[^\s/]+", description="Address of the server")
    org: str = Field(min_length=1, description="Organisation")
    bucket: str = Field(default="bms", min_length=1, description=(
        "Bucket that is written; pages know it as the database of this name"))
    token_file: str = Field(min_length=1, description=(
        "File with the gateway's write token; a relative path starts at the site file"))
    read_token_file: str | None = Field(default=None, min_length=1, description=(
        "File for Grafana's read token, made by `influx setup`; default: influx-read-token beside token_file"))
    admin_token_file: str | None = Field(default=None, min_length=1, description=(
        "File with the token that `influx setup` works with, made by it on a new server; default: influx-admin-token "
        "beside token_file"))
    ca_file: str | None = Field(default=None, min_length=1, description=(
        "Certificate to trust, when the server's own is not publicly signed"))
    retention_days: int = Field(default=30, ge=0, le=36500, description="How long the bucket keeps data; 0: for ever")
    timeout_s: float = Field(default=10.0, strict=False, gt=0, le=300, description="Longest wait for an answer, s")
