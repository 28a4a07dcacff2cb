"""The outlet and `influx setup` against real servers: InfluxDB 2 and VictoriaMetrics."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from twolbms.clock import StoryClock
from twolbms.fields import FIELDS
from twolbms.journal import JournalReader, JournalWriter, Series
from twolbms.outlets.influx import InfluxOutlet
from twolbms.outlets.influx_check import check
from twolbms.outlets.influx_delivery import Pace
from twolbms.outlets.influx_http import WriteConnection
from twolbms.outlets.influx_setup import SetupFailed, SetupPlan, query_influxql, set_up
from twolbms.outlets.influx_target import InfluxTarget, read_token

if TYPE_CHECKING:
    from servers.influx_server import InfluxServer
    from servers.victoria_server import VictoriaServer

S = 1_000_000_000
OFFSET = 1_795_000_000 * S
PACE = Pace(batch_lines=500, poll_s=0.02, first_retry_s=0.05, most_retry_s=0.2, refused_retry_s=0.1,
            minutes_poll_s=0.05)
CURRENT = Series("current_a", "shed", None)


class Gateway:
    """A journal and outlets on it."""

    def __init__(self, folder: Path) -> None:
        self.run = folder
        self.outlets: list[InfluxOutlet] = []

    def write(self, rows: list[tuple[int, Series, float]]) -> None:
        """Samples: nanosecond, series, value."""
        writer = JournalWriter(self.run / "journal", "b" * 32, now_ns=lambda: 0)
        writer.fix_wall(OFFSET, "network")
        for number, (time_ns, series, value) in enumerate(rows):
            writer.sample(series, time_ns, value)
            if number % 20_000 == 0:  # what waits for a busy disk has bounds, and what is beyond them is lost
                assert writer.flush(60)
        assert writer.flush(60) and writer.status().lost == 0
        writer.close()

    def start(self, target: InfluxTarget, minutes: InfluxTarget | None = None) -> InfluxOutlet:
        """A running outlet."""
        clock = StoryClock(0, time.monotonic_ns(), 1.0, OFFSET)
        outlet = InfluxOutlet(JournalReader(self.run / "journal"), target, self.run / "cursor", clock, PACE,
                              minutes=minutes)
        self.outlets.append(outlet)
        outlet.start()
        return outlet


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway's journal, whose outlets end with the test."""
    made = Gateway(tmp_path / "gateway")
    yield made
    for outlet in made.outlets:
        outlet.stop(10)


def wait_for(true: Callable[[], bool]) -> None:
    """Returns when it is so; fails after 60 s."""
    pause = threading.Event()
    for _ in range(6000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not come about")


def put(plan: SetupPlan, *lines: str) -> None:
    """Writes lines as somebody else would."""
    connection = WriteConnection(plan.target)
    assert connection.post([line.encode() for line in lines]).status == 204
    connection.close()


def test_set_up_and_again(own_influxd: InfluxServer) -> None:
    """An empty server becomes ready, and doing it again changes nothing, not even a token."""
    plan = own_influxd.plan("bms", retention_s=30 * 86400)
    assert any(step.changed for step in set_up(plan))
    secrets = [plan.admin_token_file, plan.password_file, plan.target.token_file, plan.read_token_file]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secrets)
    before = [path.read_text() for path in secrets]
    steps = set_up(plan)
    assert all(step.good and not step.changed for step in steps), steps
    assert [path.read_text() for path in secrets] == before and len(set(before)) == 4
    assert all(step.good for step in check(plan.target))


def test_tokens_may_do_only_their_one_thing(influxd: InfluxServer) -> None:
    """The gateway's token writes one bucket and reads nothing; Grafana's reads one bucket and writes nothing."""
    plan, other = influxd.fresh_bucket(), influxd.fresh_bucket()
    write, read = read_token(plan.target.token_file), read_token(plan.read_token_file)
    put(plan, f"pack,site=s soc=0.5 {OFFSET}")
    assert influxd.influxql(plan, "SELECT soc FROM pack")
    for target, token in ((plan.target, write), (other.target, read)):
        (result,) = query_influxql(target, token, "SELECT soc FROM pack")
        assert "database not found" in result["error"]
    for target in (
        replace(plan.target, token_file=plan.read_token_file),
        replace(plan.target, bucket=other.target.bucket),
    ):
        assert not check(target)[-1].good


def test_a_lost_token_is_made_anew_and_the_old_one_revoked(influxd: InfluxServer) -> None:
    """Without its file a token cannot be shown again: a new one is made, the old one no longer opens anything."""
    plan = influxd.fresh_bucket()
    old = plan.target.token_file.rename(plan.target.token_file.with_name("old"))
    plan.read_token_file.unlink()
    assert [step.text for step in set_up(plan) if step.changed] == [
        f"write token made, in {plan.target.token_file}",
        f"read token made, in {plan.read_token_file}",
    ]
    assert check(plan.target)[-1].good
    assert "401" in check(replace(plan.target, token_file=old))[-1].text


def test_retention_follows_the_site_file(influxd: InfluxServer) -> None:
    """A changed retention is taken over by the next set-up."""
    plan = influxd.fresh_bucket()
    changed = [step.text for step in set_up(replace(plan, retention_s=7 * 86400)) if step.changed]
    assert changed == [f"bucket {plan.target.bucket} now keeps data 7 days"]


def test_set_up_without_the_admin_token(influxd: InfluxServer) -> None:
    """On a server that others have set up, it says which file and which token are wanted."""
    plan = influxd.fresh_bucket()
    with pytest.raises(SetupFailed, match="all-access token"):
        set_up(replace(plan, admin_token_file=plan.admin_token_file.with_name("none")))


def test_check_says_what_is_wrong(influxd: InfluxServer, tmp_path: Path) -> None:
    """A wrong bucket, a wrong token and an absent server are each told as such."""
    plan = influxd.fresh_bucket()
    assert 'bucket "nope" not found' in check(replace(plan.target, bucket="nope"))[-1].text
    assert "correct it, or type 2lbms influx setup" in check(replace(plan.target, bucket="nope"))[-1].text
    assert "the server has no organisation 'nobody'" in check(replace(plan.target, org="nobody"))[-1].text
    (tmp_path / "token").write_text("wrong")
    wrong = check(replace(plan.target, token_file=tmp_path / "token"))[-1].text
    assert "401" in wrong and "no right to write this bucket" in wrong
    reading = check(replace(plan.target, token_file=plan.read_token_file))[-1]
    assert not reading.good and "no right to write this bucket" in reading.text
    assert "nobody answers" in check(replace(plan.target, url="http://127.0.0.1:1"))[-1].text
    tls = check(replace(plan.target, url=plan.target.url.replace("http:", "https:")))[-1].text
    assert "does not speak TLS" in tls and "write http://" in tls


def test_every_quantity_arrives_with_its_value(influxd: InfluxServer, gateway: Gateway) -> None:
    """A sample of each row of the table, read back by influxdb-client: same name, tags, value and nanosecond."""
    plan = influxd.fresh_bucket()
    cells = {"cell": range(3), "sensor": range(2)}
    rows = [
        (number * S + number, Series(name, "" if row.level == "gateway" else "shed", cell), number / 3)
        for number, (name, row) in enumerate(FIELDS.items())
        for cell in cells.get(row.level, [None])
    ]
    gateway.write(rows)
    assert gateway.start(plan.target).wait_drained(60)
    found = {
        (
            record.get_field(),
            next((record.values[tag] for tag in ("pack", "bank", "bus", "device") if record.values.get(tag)), ""),
            record.values.get("cell") or record.values.get("sensor"),
        ): (record.get_time(), record.get_value(), record.get_measurement())
        for record in influxd.flux(plan, "")
    }
    for time_ns, series, value in rows:
        time_read, value_read, measurement = found.pop(
            (series.quantity, series.pack, None if series.cell is None else str(series.cell + 1))
        )
        assert (value_read, measurement) == (value, FIELDS[series.quantity].level)
        assert abs(time_read.timestamp() - (OFFSET + time_ns) / S) < 1e-5
    assert found == {}


def test_nanoseconds_are_kept(influxd: InfluxServer, gateway: Gateway) -> None:
    """Two samples one nanosecond apart are two points with these very times."""
    plan = influxd.fresh_bucket()
    gateway.write([(5, CURRENT, 1.0), (6, CURRENT, 2.0)])
    assert gateway.start(plan.target).wait_drained(60)
    request = urllib.request.Request(
        f"{plan.target.url}/query?db={plan.target.bucket}&epoch=ns&q=SELECT+current_a+FROM+pack",
        headers={"Authorization": f"Token {read_token(plan.read_token_file)}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        (series,) = json.load(answer)["results"][0]["series"]
    assert series["values"] == [[OFFSET + 5, 1], [OFFSET + 6, 2]]


def test_server_killed_in_the_middle(own_influxd: InfluxServer, gateway: Gateway) -> None:
    """kill -9 of the database while it is being filled: after its restart every point is there exactly once."""
    plan = own_influxd.plan("bms")
    set_up(plan)
    count = 40_000
    gateway.write(
        [(number * S, Series("cell_voltage_v", "shed", number % 16), float(number)) for number in range(count)]
    )
    outlet = gateway.start(plan.target)
    wait_for(lambda: outlet.status()["lines"] > 5000)
    own_influxd.kill()
    wait_for(lambda: outlet.status()["state"] == "waiting")
    assert outlet.status()["lines"] < count, "the server must die in the middle for this test to mean anything"
    own_influxd.start()
    assert outlet.wait_drained(60), outlet.status()
    assert own_influxd.count(plan) == count
    (total,) = own_influxd.flux(plan, "|> group() |> sum()")
    assert total.get_value() == sum(range(count))
    assert outlet.status()["refused"] == 0


def test_outlet_stopped_in_the_middle(influxd: InfluxServer, gateway: Gateway) -> None:
    """The gateway ended while it was sending: the next start goes on, and every point is there exactly once."""
    plan = influxd.fresh_bucket()
    count = 20_000
    gateway.write([(number * S, CURRENT, float(number)) for number in range(count)])
    first = gateway.start(plan.target)
    wait_for(lambda: first.status()["lines"] > 2000)
    assert first.stop(10) and first.status()["lines"] < count
    assert gateway.start(plan.target).wait_drained(60)
    assert influxd.count(plan) == count


def test_type_conflict_is_counted(influxd: InfluxServer, gateway: Gateway) -> None:
    """422: where somebody wrote a field as integer before, that point is counted and noted, the others are stored."""
    plan = influxd.fresh_bucket()
    put(plan, f"pack,pack=shed,site=site1 current_a=1i {OFFSET}")
    gateway.write([(S, CURRENT, 1.5), (2 * S, Series("soc", "shed", None), 0.5), (3 * S, CURRENT, 2.5)])
    outlet = gateway.start(plan.target)
    assert outlet.wait_drained(60)
    assert (outlet.status()["lines"], outlet.status()["refused"], outlet.status()["state"]) == (1, 2, "ok")
    note = json.loads((gateway.run / "quarantine-influx.log").read_text())
    assert note["count"] == 2 and "field type conflict" in note["reason"]
    assert influxd.influxql(plan, "SELECT soc FROM pack")[0]["values"] == [[(OFFSET + 2 * S) // 10**6, 0.5]]


def test_bad_line_is_quarantined(influxd: InfluxServer, gateway: Gateway) -> None:
    """400: a line that the server cannot read is found among hundreds, quarantined with the server's reason."""
    plan = influxd.fresh_bucket()
    too_long = Series("soc", "y" * 65_525, None)  # InfluxDB takes at most 65,535 bytes of measurement and tags
    rows = [(number * S, CURRENT, float(number)) for number in range(300)]
    gateway.write([*rows[:123], (5, too_long, 1.0), *rows[123:]])
    outlet = gateway.start(plan.target)
    assert outlet.wait_drained(60)
    assert (outlet.status()["lines"], outlet.status()["refused"]) == (300, 1)
    note = json.loads((gateway.run / "quarantine-influx.log").read_text())
    assert (
        note["count"] == 1 and note["line"].startswith("pack,pack=yyy") and "max key length exceeded" in note["reason"]
    )
    assert influxd.count(plan) == 300


def test_wrong_token_then_the_right_one(influxd: InfluxServer, gateway: Gateway) -> None:
    """401: it stops and says so; when the token file is mended it goes on without a restart."""
    plan = influxd.fresh_bucket()
    right = plan.target.token_file.read_text()
    plan.target.token_file.write_text("wrong")
    gateway.write([(number * S, CURRENT, 1.0) for number in range(10)])
    outlet = gateway.start(plan.target)
    wait_for(lambda: outlet.status()["state"] == "refused")
    assert "401" in outlet.status()["error"] and influxd.count(plan) == 0
    plan.target.token_file.write_text(right)
    assert outlet.wait_drained(60) and influxd.count(plan) == 10


def test_bucket_that_is_made_later(influxd: InfluxServer, gateway: Gateway) -> None:
    """404: a missing bucket is told by its name, and filled once it has been made."""
    plan = influxd.plan(f"later-{os.getpid()}")
    plan.target.token_file.parent.mkdir(parents=True)
    plan.target.token_file.write_text(influxd.fresh_bucket().admin_token_file.read_text())
    gateway.write([(number * S, CURRENT, 1.0) for number in range(10)])
    outlet = gateway.start(plan.target)
    wait_for(lambda: outlet.status()["state"] == "refused")
    assert plan.target.bucket in outlet.status()["error"]
    set_up(plan)
    assert outlet.wait_drained(60) and influxd.count(plan) == 10


def test_victoria_metrics_takes_the_same_lines(victoria_metrics: VictoriaServer, gateway: Gateway) -> None:
    """The second real server: samples arrive with names, labels, values and times in ms; check does not call it ill."""
    token = gateway.run / "token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text("any")
    target = InfluxTarget("site1", victoria_metrics.url, "o", "b", token)
    assert all(step.good for step in check(target))
    gateway.write([(number * S, Series("cell_voltage_v", "shed", 2), 3.0 + number / 100) for number in range(100)])
    assert gateway.start(target).wait_drained(60)
    (series,) = victoria_metrics.export('{__name__="cell_cell_voltage_v"}')
    assert series["metric"] == {"__name__": "cell_cell_voltage_v", "site": "site1", "pack": "shed", "cell": "3"}
    assert series["values"] == pytest.approx([3.0 + number / 100 for number in range(100)], abs=1e-12)
    assert series["timestamps"] == [(OFFSET + number * S) // 10**6 for number in range(100)]


def with_minutes(influxd: InfluxServer) -> SetupPlan:
    """A bucket of raw values and one of minute values, both ready."""
    plan = influxd.plan(f"raw-{os.urandom(4).hex()}")
    plan = replace(plan, minutes=replace(plan.target, bucket=plan.target.bucket.replace("raw", "minutes")))
    set_up(plan)
    return plan


def test_set_up_makes_the_bucket_of_minute_values(influxd: InfluxServer) -> None:
    """Two buckets with a retention each, both known to InfluxQL; one token writes both, one reads both; once only."""
    plan = with_minutes(influxd)
    assert plan.minutes is not None
    assert all(step.good and not step.changed for step in set_up(plan))
    assert [step.text for step in check(plan.target, plan.minutes)][-2:] == [
        f"the gateway may write to {plan.target.org}/{bucket}" for bucket in (plan.target.bucket, plan.minutes.bucket)]
    read = read_token(plan.read_token_file)
    for target in (plan.target, plan.minutes):
        (result,) = query_influxql(target, read, "SELECT soc FROM pack")
        assert "error" not in result


def test_a_site_that_gets_minute_values_later(influxd: InfluxServer) -> None:
    """A set-up from before there were minute values is completed: bucket, name, and tokens with both rights."""
    plan = influxd.fresh_bucket()
    plan = replace(plan, minutes=replace(plan.target, bucket=f"{plan.target.bucket}-minutes"))
    assert plan.minutes is not None
    assert not check(plan.target, plan.minutes)[-1].good
    assert sum(step.changed for step in set_up(plan)) == 4
    assert check(plan.target, plan.minutes)[-1].good
    assert all(not step.changed for step in set_up(plan))


def test_minute_values_agree_with_the_servers_own_sums(influxd: InfluxServer, gateway: Gateway) -> None:
    """Mean, last and largest of each minute are what InfluxQL computes from the raw values, through an outage too."""
    plan = with_minutes(influxd)
    assert plan.minutes is not None
    in_ah, faults = Series("charge_in_ah", "shed", None), Series("faults_active", "shed", None)
    rows = [row for second in range(1, 400) for row in (
        (second * S, CURRENT, float(second * second % 97)), (second * S, in_ah, second / 36),
        (second * S, faults, float(second % 250 == 0)))]
    gateway.write(rows[:600])
    first = gateway.start(plan.target, plan.minutes)
    wait_for(lambda: first.status()["lines"] > 200)
    first.stop(10)
    gateway.write(rows[600:])
    assert gateway.start(plan.target, plan.minutes).wait_drained(60)
    wanted = ("SELECT mean(current_a), last(charge_in_ah), max(faults_active) FROM pack "
              f"WHERE time >= {OFFSET + 20 * S} AND time < {OFFSET + 380 * S} GROUP BY time(1m)")

    def minutes() -> list[dict[str, object]]:
        (result,) = query_influxql(plan.minutes or plan.target, read_token(plan.read_token_file),
                                   "SELECT current_a, charge_in_ah, faults_active FROM pack")
        series: list[dict[str, object]] = result.get("series", [])
        return series

    wait_for(lambda: bool(minutes()) and len(minutes()[0]["values"]) >= 7)  # type: ignore[arg-type]
    expected = influxd.influxql(plan, wanted)[0]["values"]
    found = {row[0]: row[1:] for row in minutes()[0]["values"]}  # type: ignore[attr-defined]
    assert len(expected) == 6
    for time_ms, mean, last, most in expected:
        values = found[time_ms]
        assert values[0] == pytest.approx(mean, abs=1.7), "the same but for the part of a second at each end"
        assert values[1:] == pytest.approx([last, most])


def test_after_an_outage_new_records_come_first(own_influxd: InfluxServer, gateway: Gateway) -> None:
    """kill -9 of the database, a backlog of 120,000 values, and its return: what is new is there before the old is."""
    plan = own_influxd.plan("bms")
    set_up(plan)
    gateway.write([(number * S, CURRENT, float(number)) for number in range(100)])
    outlet = gateway.start(plan.target)
    assert outlet.wait_drained(60)
    own_influxd.kill()
    gateway.write([(number * S, CURRENT, float(number)) for number in range(100, 200)])
    wait_for(lambda: outlet.status()["state"] == "waiting")
    time.sleep(2.1)  # an outage is what lasts longer than the live lane's two seconds
    gateway.write([(number * S, CURRENT, float(number)) for number in range(200, 120_000)])
    own_influxd.start()
    wait_for(lambda: outlet.status()["lines"] > 300)
    gateway.write([(170_000 * S, CURRENT, 170_000.0)])
    query = f"SELECT current_a FROM pack WHERE time = {OFFSET + 170_000 * S}"
    wait_for(lambda: bool(own_influxd.influxql(plan, query)))
    there = own_influxd.count(plan)
    assert outlet.wait_drained(60), outlet.status()
    (total,) = own_influxd.flux(plan, '|> filter(fn: (r) => r._field == "current_a") |> count()')
    assert total.get_value() == 120_001
    assert there < 120_001, "the new value must have been there while old ones were still missing"


OUTLET = """
import sys, time
from pathlib import Path
from twolbms.clock import StoryClock
from twolbms.journal import JournalReader
from twolbms.outlets.influx import InfluxOutlet
from twolbms.outlets.influx_delivery import Pace
from twolbms.outlets.influx_target import InfluxTarget

run, url, org, bucket, token, offset = sys.argv[1:]
pace = Pace(batch_lines=100, poll_s=0.02, first_retry_s=0.02, most_retry_s=0.1, save_s=0.05)
outlet = InfluxOutlet(JournalReader(Path(run) / "journal"), InfluxTarget("site1", url, org, bucket, Path(token)),
                      Path(run) / "cursor", StoryClock(0, time.monotonic_ns(), 1.0, int(offset)), pace)
outlet.start()
while not outlet.wait_drained(60):
    pass
print("drained", flush=True)
time.sleep(600)
"""


def test_killed_gateway_and_killed_server(own_influxd: InfluxServer, gateway: Gateway) -> None:
    """kill -9 of the sending process at random moments, and of the database in between: every point is there once."""
    plan = own_influxd.plan("bms")
    set_up(plan)
    assert plan.target.token_file is not None
    chance = random.Random(5)
    pause = threading.Event()
    count, killed = 0, 0
    command = [sys.executable, "-c", OUTLET, str(gateway.run), plan.target.url, plan.target.org, plan.target.bucket,
               str(plan.target.token_file), str(OFFSET)]
    for turn in range(8):
        gateway.write([(number * S, CURRENT, float(number)) for number in range(count, count + 3000)])
        count += 3000
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if turn == 4:
            pause.wait(0.6)
            own_influxd.kill()
            own_influxd.start()
        if turn < 7:
            pause.wait(0.3 + chance.random())
        else:
            assert process.stdout and process.stdout.readline() == "drained\n"
        killed += process.poll() is None
        process.kill()
        process.wait()
    assert killed == 8
    (found,) = own_influxd.flux(plan, '|> filter(fn: (r) => r._field == "current_a") |> count()')
    (total,) = own_influxd.flux(plan, '|> filter(fn: (r) => r._field == "current_a") |> sum()')
    assert (found.get_value(), total.get_value()) == (count, sum(range(count)))


@pytest.fixture
def own_victoria_metrics(tmp_path: Path) -> Iterator[VictoriaServer]:
    """A VictoriaMetrics that a test may kill."""
    from servers.need import need

    program = need("victoriametrics")
    from servers.victoria_server import VictoriaServer

    server = VictoriaServer(program, tmp_path / "victoria")
    server.start()
    yield server
    server.kill()


def test_victoria_metrics_killed_in_mid_stream(own_victoria_metrics: VictoriaServer, gateway: Gateway) -> None:
    """kill -9 takes what it had answered but not flushed: after its return the rewind has brought every value again."""
    target = InfluxTarget("site1", own_victoria_metrics.url, "", "bms", None, server="victoriametrics", rewind_s=10)
    writer = JournalWriter(gateway.run / "journal", "b" * 32, now_ns=lambda: 0)
    writer.fix_wall(OFFSET, "network")
    outlet = gateway.start(target)
    pause = threading.Event()
    lost = False
    for number in range(1200):
        writer.sample(CURRENT, number * S // 100, float(number))
        pause.wait(0.01)
        if number in (300, 750):
            own_victoria_metrics.kill()
            before = outlet.status()["lines"]
            own_victoria_metrics.start()
            lost = lost or len(values_of(own_victoria_metrics)) < before
    writer.close()
    assert outlet.wait_drained(60), outlet.status()
    wait_for(lambda: len(values_of(own_victoria_metrics)) >= 1200)
    assert values_of(own_victoria_metrics) == [float(number) for number in range(1200)]
    assert lost, "the server must have lost something that it had answered for this test to mean anything"


def values_of(server: VictoriaServer) -> list[object]:
    """What it holds of the current."""
    return [value for series in server.export('{__name__="pack_current_a"}')
            for value in series["values"]]  # type: ignore[attr-defined]


def test_victoria_metrics_tells_minute_values_by_a_label(victoria_metrics: VictoriaServer, gateway: Gateway) -> None:
    """Where there are no buckets, a label of the bucket's name keeps minute values and raw ones apart."""
    raw = InfluxTarget("site2", victoria_metrics.url, "", "bms", None, server="victoriametrics", rewind_s=0.1)
    gateway.write([(second * S, Series("soc", "shed", None), 0.5) for second in range(1, 200)])
    outlet = gateway.start(raw, replace(raw, bucket="bms_minutes", label="bucket=bms_minutes"))
    assert outlet.wait_drained(60)
    found = 'pack_soc{site="site2",bucket="bms_minutes"}'
    wait_for(lambda: bool(victoria_metrics.export(found)))
    (series,) = victoria_metrics.export(found)
    assert series["timestamps"] == [(OFFSET + (minute * 60 - 40) * S) // 10**6 for minute in range(3)]
    (series,) = victoria_metrics.export('pack_soc{site="site2",bucket=""}')
    assert len(series["values"]) == 199  # type: ignore[arg-type]
