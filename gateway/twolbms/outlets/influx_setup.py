"""Makes an InfluxDB 2.x ready for a site, as often as one likes, and says what is wrong with one that is not.

Uses influxdb-client (the extra `influx`); the outlet itself does without.
"""

from __future__ import annotations

import importlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from twolbms.config.influx import InfluxSection
from twolbms.config.site import Site
from twolbms.outlets.influx_answers import Verdict, judge
from twolbms.outlets.influx_http import Unreachable, WriteConnection
from twolbms.outlets.influx_target import InfluxTarget, TokenUnreadable, read_token, target_of

ADMIN = "admin"
RETENTION_POLICY = "autogen"


class SetupFailed(Exception):
    """The server could not be made ready; the text says why and what a person can do."""


class Step(NamedTuple):
    """One thing looked at: whether it is as it should be, what was found, and whether it was changed just now."""

    good: bool
    text: str
    changed: bool = False


@dataclass(frozen=True)
class SetupPlan:
    """What a site wants of its server. Token files are written with mode 0600."""

    target: InfluxTarget
    admin_token_file: Path
    read_token_file: Path
    retention_s: int = 30 * 86400

    @property
    def password_file(self) -> Path:
        """Where the password of the user `admin` of a new server is put."""
        return self.admin_token_file.with_name("influx-admin-password")


def plan_of(site: Site, section: InfluxSection) -> SetupPlan:
    """What a site file's `influxdb:` section wishes; tokens that it does not name lie beside the gateway's."""
    target = target_of(site, section)
    beside = target.token_file.parent
    return SetupPlan(
        target=target, retention_s=section.retention_days * 86400,
        admin_token_file=site.beside(section.admin_token_file or str(beside / "influx-admin-token")),
        read_token_file=site.beside(section.read_token_file or str(beside / "influx-read-token")))


def check(target: InfluxTarget) -> list[Step]:
    """Is somebody there, is it well, may the gateway write. Writes nothing."""
    with _client(target, token=None) as client:
        if not client.ping():
            return [Step(False, f"nobody answers at {target.url}")]
        steps = [Step(True, f"{target.url} answers, version {client.version() or 'not told'}"), _health(client)]
    return [*steps, _may_write(target)]


def set_up(plan: SetupPlan) -> list[Step]:
    """User, organisation, bucket with retention, InfluxQL's database name, one token each for writing and reading.

    Raises SetupFailed.
    """
    first = _first_user(plan)
    try:
        token = read_token(plan.admin_token_file)
    except TokenUnreadable as error:
        raise SetupFailed(f"{plan.target.url} is set up already, and {error}. Put an all-access token there, "
                          f"e.g. from: influx auth create --org {plan.target.org} --all-access") from error
    with _client(plan.target, token) as client:
        org_id, organisation = _organisation(client, plan.target.org)
        bucket_id, bucket = _bucket(client, plan, org_id)
        return [
            *first, organisation, bucket, _database(client, plan.target.bucket, org_id, bucket_id),
            _token(client, plan, org_id, bucket_id, "write"), _token(client, plan, org_id, bucket_id, "read"),
            _may_write(plan.target),
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


def _health(client: Any) -> Step:
    """What the server says of itself. Others than InfluxDB say nothing there that can be read, which is no illness."""
    library = _library()
    try:
        health = library.HealthService(client.api_client).get_health()
    except library.rest.ApiException as error:
        return Step(error.status == 404, f"its health: answered {error.status}")
    except ValueError:
        return Step(True, "its health: not told")
    return Step(health.status == "pass", f"its health: {health.status}, {health.message}")


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


def _bucket(client: Any, plan: SetupPlan, org_id: str) -> tuple[str, Step]:
    library = _library()
    api, name = client.buckets_api(), plan.target.bucket
    rules = [library.BucketRetentionRules(type="expire", every_seconds=plan.retention_s)]
    kept = f"{plan.retention_s / 86400:g} days" if plan.retention_s else "for ever"
    found = next(iter(_listed(lambda: api.find_buckets(org=plan.target.org, name=name).buckets)), None)
    if found is None:
        made = api.create_bucket(bucket=library.PostBucketRequest(org_id=org_id, name=name, retention_rules=rules))
        return made.id, Step(True, f"bucket {name} made, keeps data {kept}", True)
    if (found.retention_rules[0].every_seconds if found.retention_rules else 0) == plan.retention_s:
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


def _token(client: Any, plan: SetupPlan, org_id: str, bucket_id: str, action: str) -> Step:
    """A token that may do one thing with one bucket. Kept when it works; otherwise made anew and the old one revoked,
    because a server does not show a token twice."""
    library = _library()
    path = plan.target.token_file if action == "write" else plan.read_token_file
    works = _may_write(plan.target).good if action == "write" else _may_read(plan)
    if works:
        return Step(True, f"{action} token in {path}")
    description = f"2lbms {plan.target.site} {action} {plan.target.bucket}"
    api = client.authorizations_api()
    for old in api.find_authorizations(org=plan.target.org):
        if old.description == description:
            api.delete_authorization(old)
    resource = library.PermissionResource(type="buckets", id=bucket_id, org_id=org_id)
    made = api.create_authorization(authorization=library.Authorization(
        org_id=org_id, description=description, permissions=[library.Permission(action=action, resource=resource)]))
    write_secret(path, made.token)
    return Step(True, f"{action} token made, in {path}", True)


def _may_write(target: InfluxTarget) -> Step:
    """An empty write: the server checks token, organisation and bucket, and stores nothing."""
    connection = WriteConnection(target)
    try:
        judgement = judge(connection.post(()))
    except (Unreachable, TokenUnreadable) as error:
        return Step(False, f"the gateway cannot write: {error}")
    finally:
        connection.close()
    if judgement.verdict is Verdict.STORED:
        return Step(True, f"the gateway may write to {target.org}/{target.bucket}")
    return Step(False, f"the gateway may not write: {judgement.reason}")


def _may_read(plan: SetupPlan) -> bool:
    """A SELECT, because SHOW answers every token, with nothing."""
    try:
        result, = query_influxql(plan.target, read_token(plan.read_token_file), 'SELECT "soc" FROM "pack" LIMIT 1')
    except (TokenUnreadable, SetupFailed, ValueError):
        return False
    return "error" not in result


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
