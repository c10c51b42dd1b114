"""The real Codex CLI reads our list of models: every entry, in each version that we speak to."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.programs import CODEX, CODEX_OLD, clean_environment, codex
from tests.gateway.asgi import Call, make

pytestmark = [pytest.mark.clients, pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")]
KEYS = ("DEEPSEEK", "MINIMAX", "OPENAI", "ANTHROPIC", "ZHIPU", "MOONSHOT", "GEMINI", "OPENROUTER")


async def our_list(tmp_path: Path) -> dict[str, Any]:
    app = make(tmp_path, '[aliases]\nfast = "xiaomi:mimo-v2.6-flash"\n', {f"{name}_API_KEY": "k-1234" for name in KEYS})
    found: dict[str, Any] = (await Call(app, f"/v1/models?client_version={CODEX}", method="GET").run()).json
    return found


def read_by(version: str, home: Path, models: dict[str, Any]) -> tuple[int, str]:
    """What Codex makes of a list: exit code, and its own list."""
    home.mkdir()
    (home / "list.json").write_text(json.dumps(models))
    (home / "config.toml").write_text(
        f'model = "fast"\nmodel_catalog_json = "{home}/list.json"\ncheck_for_update_on_startup = false\n'
        "[analytics]\nenabled = false\n"
    )
    done = subprocess.run(
        [codex(version), "debug", "models"],
        check=False,
        env=clean_environment(CODEX_HOME=str(home)),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


@pytest.mark.case("J03")
@pytest.mark.parametrize("version", [CODEX, CODEX_OLD])
async def test_codex_reads_every_entry(tmp_path: Path, version: str) -> None:
    models = await our_list(tmp_path)
    code, out = read_by(version, tmp_path / "codex", models)
    assert code == 0
    theirs = {model["slug"]: model for model in json.loads(out)["models"]}
    assert len(theirs) == len(models["models"]) > 40
    for model in models["models"]:
        seen = theirs[model["slug"]]
        for field in ("display_name", "context_window", "supported_reasoning_levels", "input_modalities"):
            assert seen[field] == model[field]
    for model in models["models"]:
        del model["base_instructions"]
    assert read_by(version, tmp_path / "broken", models)[0] != 0, "the check can fail"
