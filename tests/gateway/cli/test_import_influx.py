"""`2lbms import --influx`: an import also fills a database, or says what is missing."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from servers.fake_influx import FakeInflux, answer, store
from twolbms.cli.import_log import import_command
from twolbms.journal import JournalReader, Sample

# Three frames of 0x1DB as a 2013 car sends them, with its CRC.
LOG = "".join(f"(0.{i}00000) can0 1DB#{data}\n" for i, data in
              enumerate(("0060C16A00000391", "0060C16A0000009B", "0020C16A000001BC")))


def test_an_import_fills_the_database(influxd: Any, tmp_path: Path) -> None:
    """Every sample of the import's journal is in the bucket afterwards."""
    plan = influxd.fresh_bucket()
    target = plan.target
    (tmp_path / "drive.log").write_text(LOG)
    done = CliRunner().invoke(import_command, [
        str(tmp_path / "drive.log"), "--pack", "leaf_aze0", "--journal", str(tmp_path / "j"), "--start",
        "2026-11-24T00:00:00Z", "--influx", target.url, "--org", target.org, "--bucket", target.bucket,
        "--token-file", str(target.token_file)])
    assert done.exit_code == 0, done.output
    samples = [r for r in JournalReader(tmp_path / "j").records("sample") if isinstance(r, Sample)]
    assert sum(s.series.quantity == "current_a" for s in samples) == 3
    (series,) = influxd.influxql(plan, 'SELECT count("current_a") FROM "pack"')
    assert series["values"][0][1] == 3


def test_half_an_address_is_refused(tmp_path: Path) -> None:
    """Without a token nothing is begun, and the missing options are named."""
    (tmp_path / "drive.log").write_text(LOG)
    done = CliRunner().invoke(import_command, [str(tmp_path / "drive.log"), "--pack", "leaf_aze0", "--influx",
                                               "http://127.0.0.1:1", "--journal", str(tmp_path / "j")])
    assert done.exit_code == 2 and "--token-file" in done.output and not (tmp_path / "j").exists()


def test_a_dead_server_leaves_the_journal_whole(tmp_path: Path, monkeypatch: Any) -> None:
    """When nobody answers, the import ends with 2 and the records are in the journal."""
    monkeypatch.setattr("twolbms.cli.import_influx.PATIENCE_S", 0.5)
    (tmp_path / "token").write_text("t")
    (tmp_path / "drive.log").write_text(LOG)
    done = CliRunner().invoke(import_command, [
        str(tmp_path / "drive.log"), "--pack", "leaf_aze0", "--journal", str(tmp_path / "j"), "--influx",
        "http://127.0.0.1:1", "--org", "o", "--bucket", "b", "--token-file", str(tmp_path / "token")])
    assert done.exit_code == 2 and "only in the journal" in done.output
    assert list(JournalReader(tmp_path / "j").records("sample"))


def test_the_same_command_goes_on_after_an_outage(tmp_path: Path, monkeypatch: Any) -> None:
    """The log was read and the database was away: the second run sends what the journal holds and reads nothing."""
    monkeypatch.setattr("twolbms.cli.import_influx.PATIENCE_S", 0.5)
    (tmp_path / "token").write_text("t")
    (tmp_path / "drive.log").write_text(LOG)
    with FakeInflux(otherwise=answer(503)) as server:
        command = [str(tmp_path / "drive.log"), "--pack", "leaf_aze0", "--journal", str(tmp_path / "j"), "--influx",
                   server.url, "--org", "o", "--bucket", "b", "--token-file", str(tmp_path / "token")]
        assert CliRunner().invoke(import_command, command).exit_code == 2
        server.otherwise = store
        monkeypatch.setattr("twolbms.cli.import_influx.PATIENCE_S", 30.0)
        done = CliRunner().invoke(import_command, command)
        assert done.exit_code == 0, done.output
        assert "going on" in done.stderr and "3 frames, all sent" in done.stdout
        assert sum(b"current_a=" in line for line in server.stored) == 3
    (tmp_path / "drive.log").write_text(LOG + LOG)
    assert "already holds records" in CliRunner().invoke(import_command, command).stderr
