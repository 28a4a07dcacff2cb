"""Makes an InfluxDB 2.x ready for a site, as often as one likes, and asks it questions in InfluxQL.

Uses influxdb-client (the extra `influx`); the outlet itself does without.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from twolbms.config.influx import InfluxSection
from twolbms.config.site import Site
from twolbms.outlets.influx_check import Step, check, may_write
from twolbms.outlets.influx_target import InfluxTarget, TokenUnreadable, minutes_target_of, read_token, target_of

ADMIN = "admin"
RETENTION_POLICY = "autogen"
_NOTHING_TO_MAKE = {
    "influxdb3": "InfluxDB 3 makes a database at the first write; put a token of `influxdb3 create token` into "
                 "token_file, and a retention on the database by `influxdb3 create database --retention-period`",
    "victoriametrics": "VictoriaMetrics has no buckets and no tokens; it keeps everything as long as its "
                       "-retentionPeriod says",
}


class SetupFailed(Exception):
    """The server could not be made ready; the text says why and what a person can do."""


@dataclass(frozen=True)
class SetupPlan:
    """What a site wants of its server. Token files are written with mode 0600. `minutes`: the minute values' bucket."""

    target: InfluxTarget
    admin_token_file: Path
    read_token_file: Path
    retention_s: int = 30 * 86400
    minutes: InfluxTarget | None = None
    minutes_retention_s: int = 3650 * 86400

    @property
    def buckets(self) -> tuple[tuple[InfluxTarget, int], ...]:
        """Every bucket that is written, with its retention in seconds."""
        more = ((self.minutes, self.minutes_retention_s),) if self.minutes else ()
        return ((self.target, self.retention_s), *more)

    @property
    def password_file(self) -> Path:
        """Where the password of the user `admin` of a new server is put."""
        return self.admin_token_file.with_name("influx-admin-password")


def plan_of(site: Site, section: InfluxSection) -> SetupPlan:
    """What a site file's `influxdb:` section wishes; tokens that it does not name lie beside the gateway's."""
    target = target_of(site, section)
    beside = (target.token_file or site.folder / "token").parent
    minutes = section.minute_values
    return SetupPlan(
        target=target, retention_s=section.retention_days * 86400, minutes=minutes_target_of(site, section),
        minutes_retention_s=minutes.retention_days * 86400 if minutes else 0,
        admin_token_file=site.beside(section.admin_token_file or str(beside / "influx-admin-token")),
        read_token_file=site.beside(section.read_token_file or str(beside / "influx-read-token")))


def set_up(plan: SetupPlan) -> list[Step]:
    """User, organisation, buckets with retention, InfluxQL's database names, one token each for writing and reading.

    Raises SetupFailed.
    """
    if plan.target.server != "influxdb2":
        return [Step(True, _NOTHING_TO_MAKE[plan.target.server]), *check(plan.target, plan.minutes)]
    first = _first_user(plan)
    try:
        token = read_token(plan.admin_token_file)
    except TokenUnreadable as error:
        raise SetupFailed(f"{plan.target.url} is set up already, and {error}. Put an all-access token there, "
                          f"e.g. from: influx auth create --org {plan.target.org} --all-access") from error
    with _client(plan.target, token) as client:
        org_id, organisation = _organisation(client, plan.target.org)
        made = [_bucket(client, target, retention_s, org_id) for target, retention_s in plan.buckets]
        ids = [bucket_id for bucket_id, _ in made]
        return [
            *first, organisation, *(step for _, step in made),
            *(_database(client, target.bucket, org_id, bucket_id)
              for (target, _), bucket_id in zip(plan.buckets, ids, strict=True)),
            _token(client, plan, org_id, ids, "write"), _token(client, plan, org_id, ids, "read"),
            *(may_write(target) for target, _ in plan.buckets),
        ]


def _library() -> Any:
    """influxdb-client, untyped and only needed here."""
    try:
        return importlib.import_module("influxdb_client")
    except ImportError as error:
        raise SetupFailed("this needs influxdb-client; type: pip install '2lbms[influx]'") from error


@contextmanager
def _client(target: InfluxTarget, token: str | None) -> Iterator[Any]:
    """A client whose failures come out as SetupFailed."""
    library = _library()
    from urllib3.exceptions import HTTPError

    trust = {"ssl_ca_cert": str(target.ca_file)} if target.ca_file else {}
    try:
        with library.InfluxDBClient(url=target.url, token=token or "none", org=target.org,
                                    timeout=int(target.timeout_s * 1000), **trust) as client:
            yield client
    except library.rest.ApiException as error:
        words = str(getattr(error, "message", "") or error.reason)[:300]
        raise SetupFailed(f"{target.url} answered {error.status}: {words}") from error
    except HTTPError as error:
        raise SetupFailed(f"{target.url} cannot be reached: {error}") from error


def _first_user(plan: SetupPlan) -> list[Step]:
    """On an empty server makes the user `admin`. Secrets are on disk before the server knows them."""
    library = _library()
    with _client(plan.target, token=None) as client:
        service = library.SetupService(client.api_client)
        if not service.get_setup().allowed:
            return []
        token, password = (_kept_secret(path) for path in (plan.admin_token_file, plan.password_file))
        service.post_setup(library.OnboardingRequest(
            username=ADMIN, password=password, token=token, org=plan.target.org, bucket=plan.target.bucket,
            retention_period_seconds=plan.retention_s))
    return [Step(True, f"user {ADMIN} made; token in {plan.admin_token_file}, password in {plan.password_file}", True)]


def _kept_secret(path: Path) -> str:
    """The secret in `path`, made when there is none: a set-up that broke off is taken up where it was."""
    try:
        return read_token(path)
    except TokenUnreadable:
        secret = secrets.token_urlsafe(48)
        write_secret(path, secret)
        return secret


def write_secret(path: Path, text: str) -> None:
    """Replaces `path` by a file that only its owner reads. Raises SetupFailed."""
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise SetupFailed(f"{path} cannot be written: {error.strerror}") from error


def _listed(ask: Callable[[], Any]) -> list[Any]:
    """What a list call finds; asked for a name that does not exist the server answers 404."""
    try:
        return list(ask())
    except _library().rest.ApiException as error:
        if error.status == 404:
            return []
        raise


def _organisation(client: Any, name: str) -> tuple[str, Step]:
    api = client.organizations_api()
    for found in _listed(lambda: api.find_organizations(org=name)):
        return found.id, Step(True, f"organisation {name}")
    return api.create_organization(name=name).id, Step(True, f"organisation {name} made", True)


def _bucket(client: Any, target: InfluxTarget, retention_s: int, org_id: str) -> tuple[str, Step]:
    library = _library()
    api, name = client.buckets_api(), target.bucket
    rules = [library.BucketRetentionRules(type="expire", every_seconds=retention_s)]
    kept = f"{retention_s / 86400:g} days" if retention_s else "for ever"
    found = next(iter(_listed(lambda: api.find_buckets(org=target.org, name=name).buckets)), None)
    if found is None:
        made = api.create_bucket(bucket=library.PostBucketRequest(org_id=org_id, name=name, retention_rules=rules))
        return made.id, Step(True, f"bucket {name} made, keeps data {kept}", True)
    if (found.retention_rules[0].every_seconds if found.retention_rules else 0) == retention_s:
        return found.id, Step(True, f"bucket {name} keeps data {kept}")
    found.retention_rules = rules
    api.update_bucket(bucket=found)
    return found.id, Step(True, f"bucket {name} now keeps data {kept}", True)


def _database(client: Any, name: str, org_id: str, bucket_id: str) -> Step:
    """InfluxQL speaks of databases: the bucket's name is mapped to the bucket."""
    library = _library()
    service = library.DBRPsService(client.api_client)
    mapped = service.get_dbr_ps(org_id=org_id, db=name).content or []
    for one in mapped:
        if one.bucket_id == bucket_id and one.default and not getattr(one, "virtual", False):
            return Step(True, f"InfluxQL database {name}")
    service.post_dbrp(dbrp_create=library.DBRPCreate(
        org_id=org_id, bucket_id=bucket_id, database=name, retention_policy=RETENTION_POLICY, default=True))
    return Step(True, f"InfluxQL database {name} mapped to the bucket", True)


def _token(client: Any, plan: SetupPlan, org_id: str, bucket_ids: Sequence[str], action: str) -> Step:
    """A token that may do one thing with the site's buckets. Kept when it works; otherwise made anew and the old one
    revoked, because a server does not show a token twice."""
    library = _library()
    path = plan.target.token_file if action == "write" else plan.read_token_file
    if path is None:
        raise SetupFailed("the site file names no token_file: expected one in the section influxdb")
    may = may_write if action == "write" else lambda target: _may_read(plan, target)
    works = all(may(target).good for target, _ in plan.buckets)
    if works:
        return Step(True, f"{action} token in {path}")
    description = f"2lbms {plan.target.site} {action} {plan.target.bucket}"
    api = client.authorizations_api()
    for old in api.find_authorizations(org=plan.target.org):
        if old.description == description:
            api.delete_authorization(old)
    permissions = [library.Permission(action=action, resource=library.PermissionResource(
        type="buckets", id=bucket_id, org_id=org_id)) for bucket_id in bucket_ids]
    made = api.create_authorization(authorization=library.Authorization(
        org_id=org_id, description=description, permissions=permissions))
    write_secret(path, made.token)
    return Step(True, f"{action} token made, in {path}", True)


def _may_read(plan: SetupPlan, target: InfluxTarget) -> Step:
    """A SELECT, because SHOW answers every token, with nothing."""
    try:
        result, = query_influxql(target, read_token(plan.read_token_file), 'SELECT "soc" FROM "pack" LIMIT 1')
    except (TokenUnreadable, SetupFailed, ValueError) as error:
        return Step(False, str(error))
    return Step("error" not in result, str(result.get("error", "")))


def query_influxql(target: InfluxTarget, token: str, query: str) -> list[dict[str, Any]]:
    """The `results` of one InfluxQL query on the bucket's database, times in milliseconds. Raises SetupFailed."""
    with _client(target, token) as client:
        try:
            answer = client.api_client.request(
                "GET", f"{target.url.rstrip('/')}/query?" + urlencode({"db": target.bucket, "epoch": "ms", "q": query}),
                headers={"Authorization": f"Token {token}"})
            results: list[dict[str, Any]] = json.loads(answer.data)["results"]
        except (ValueError, KeyError) as error:
            raise SetupFailed(f"{target.url} gave no InfluxQL answer: {error}") from error
    return results
