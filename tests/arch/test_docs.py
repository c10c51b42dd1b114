"""The docs name all that a person can set, and every profile flag says what it means."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import msgspec
import pytest

from dragoman.config import settings
from dragoman.core import profile

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
GROUPS = [
    field.type
    for field in msgspec.structs.fields(settings.Settings)
    if inspect.isclass(field.type) and issubclass(field.type, msgspec.Struct) and field.name not in ("known",)
]


def test_every_profile_flag_says_what_it_means() -> None:
    tree = ast.parse(inspect.getsource(profile))
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Profile")
    own = ast.get_docstring(found) or ""
    silent = []
    for node, after in zip(found.body, [*found.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        told = (
            isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
        )
        if not told and f"{node.target.id}:" not in own:
            silent.append(node.target.id)
    assert silent == []


@pytest.mark.parametrize("group", [*GROUPS, settings.ProviderSettings], ids=lambda group: group.__name__)
def test_every_setting_is_documented(group: type[msgspec.Struct]) -> None:
    assert [name for name in group.__struct_fields__ if name not in CONFIGURATION] == []
