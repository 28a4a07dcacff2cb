"""The JSON Schema files: fresh, closed, described, and of one mind with the loader."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from twolbms.config.errors import ConfigError
from twolbms.config.json_schema import MODELS, model_of, schema_file, schema_text, stale_schemas, write_schemas
from twolbms.config.load import load_model

PACKS = [path for path in sorted((Path(__file__).resolve().parents[3] / "packs").glob("*.yaml"))
         if "\nkind: guarded\n" in path.read_text(encoding="utf-8")]
SITE: dict[str, Any] = {
    "site": "house",
    "journal": {"keep": {"sample": {"size": "512 MiB", "age": "30d"}}},
    "buses": [{"name": "can0", "interface": "slcan", "channel": "/dev/ttyACM0", "bitrate": 500000}],
    "packs": [{"name": "one", "type": "lfp_8s_320ah", "node": 1, "bus": "can0", "keep_closed": True}],
    "banks": [{"name": "all", "packs": ["one"]}],
    "influxdb": {"url": "http://127.0.0.1:8086", "org": "home", "bucket": "bms", "token_file": "token"},
    "requests": {"expire_s": 30},
}


def parts(schema: Any) -> list[dict[str, Any]]:
    """Every mapping inside a schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return ([schema] if isinstance(schema, dict) else []) + [part for item in inner for part in parts(item)]


@pytest.mark.parametrize("name", MODELS)
def test_committed_schemas_are_fresh(name: str) -> None:
    """The committed file is what the model says today; `2lbms schema --all` writes it."""
    assert schema_file(name).read_text(encoding="utf-8") == schema_text(name)


@pytest.mark.parametrize("name", MODELS)
def test_schemas_are_closed_and_described(name: str) -> None:
    """Every section allows only the keys it names, and says what it is for."""
    schema = json.loads(schema_text(name))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    sections = [part for part in parts(schema) if "properties" in part and part.get("type") == "object"]
    assert sections
    assert all(section["additionalProperties"] is False and section["description"] for section in sections)


def test_every_key_of_a_site_file_is_described() -> None:
    """An editor shows a sentence for every key of site.yaml."""
    sections = [part for part in parts(json.loads(schema_text("site"))) if part.get("type") == "object"]
    fields = [(key, field) for section in sections for key, field in section["properties"].items()]
    assert len(fields) > 30
    assert [key for key, field in fields if not field.get("description")] == []


def test_stale_and_missing_files_are_named(tmp_path: Path) -> None:
    """Writing names what it changed; looking names what is missing or differs."""
    assert stale_schemas(tmp_path) == write_schemas(tmp_path) == [schema_file(name, tmp_path) for name in MODELS]
    assert stale_schemas(tmp_path) == write_schemas(tmp_path) == []
    schema_file("site", tmp_path).write_text("{}")
    assert stale_schemas(tmp_path) == [schema_file("site", tmp_path)]


@pytest.mark.parametrize(("spoil", "right"), [
    (lambda site: None, True),
    (lambda site: site.update(run="./run"), True),
    (lambda site: site.update(rum="./run"), False),
    (lambda site: site["packs"][0].pop("node"), False),
    (lambda site: site["packs"][0].update(node=128), False),
    (lambda site: site["packs"][0].update(node="1"), False),
    (lambda site: site["buses"][0].update(interface="slcann"), False),
    (lambda site: site["journal"]["keep"]["sample"].update(size="512"), False),
    (lambda site: site["journal"]["keep"]["sample"].update(age="2 w"), True),
    (lambda site: site["influxdb"].update(token="secret"), False),
    (lambda site: site["requests"].update(expire_s=0), False),
    (lambda site: site.update(site="House"), False),
])
def test_schema_and_loader_agree(tmp_path: Path, spoil: Any, right: bool) -> None:
    """What an editor underlines is what the loader refuses."""
    jsonschema = pytest.importorskip("jsonschema")
    site = json.loads(json.dumps(SITE))
    spoil(site)
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    validator = jsonschema.Draft202012Validator(json.loads(schema_text("site")))
    assert validator.is_valid(site) is right
    if right:
        load_model(path, model_of("site"))
    else:
        with pytest.raises(ConfigError):
            load_model(path, model_of("site"))


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.stem)
def test_shipped_packs_satisfy_their_schema(path: Path) -> None:
    """The guarded packs that come with 2lbms are right by their own schema, and the schema is one."""
    jsonschema = pytest.importorskip("jsonschema")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema = json.loads(schema_text("pack"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(data)] == []
