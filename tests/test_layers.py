"""
The structure of the code: imports point down, and nothing of a hook's is executed outside of a worker.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hookd"

# From the top down; a module may import from its own layer and from those below it.
LAYERS = (
    ("cli", "__main__"),
    ("supervisor",),
    ("web",),
    ("doctor",),
    ("consumer",),
    ("service", "scaffold", "cases", "review", "history", "simulator", "bridge"),
    ("answers",),
    ("journal", "alerts"),
    ("runner",),
    ("accounting", "failures"),
    ("orders", "runs", "quarantine", "breaker"),
    ("sites",),
    ("hook_files",),
    ("accepted",),
    ("hook_settings",),
    ("sources",),
    ("hooks",),
    ("tools",),
    ("sandbox",),
    ("portal",),
    ("jobs",),
    ("contract", "samples", "pseudonyms"),
    ("key_files",),
    ("storage",),
    ("points",),
    ("differences", "settings", "logs", "documents"),
    ("setting_readers",),
    ("hosts", "hours", "names", "metrics"),
    ("figure_files",),
    ("errors", "__init__"),
)
# What a locked worker has in its memory: hookd's own modules beside the standard library, RestrictedPython,
# phonenumbers.
WORKER = ("errors", "hours", "sandbox")
FILES = sorted(PACKAGE.rglob("*.py"))


def layer(module: str) -> int:
    name = module.split(".")[1] if "." in module else "__init__"
    return next(index for index, names in enumerate(LAYERS) if name in names)


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "hookd"
                else {str(node.module)}
            )
    return {name for name in found if name.split(".")[0] == "hookd"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down(path: Path) -> None:
    """
    No module imports from a layer above its own.
    """
    own = name_of(path)

    above = [name for name in imports(path) if name != "hookd.__version__" and layer(name) < layer(own)]

    assert not above


def test_a_worker_holds_little_of_hookd() -> None:
    """
    What the zygote loads is the sandbox and the errors: no settings, no tokens, no HTTP.
    """
    seen: set[str] = set()
    todo = ["hookd.sandbox.zygote"]
    while todo:
        module = todo.pop()
        path = PACKAGE.parent / Path(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if module in seen or not file.exists():
            continue
        seen.add(module)
        todo += imports(file)

    assert {module.split(".")[1] for module in seen if "." in module} <= set(WORKER)


@pytest.mark.parametrize("path", [path for path in FILES if "sandbox/language" not in str(path)], ids=name_of)
def test_nothing_is_compiled_outside_of_the_language_layer(path: Path) -> None:
    """
    compile, exec, eval and ast.parse stand in the language layer alone, and only a worker imports that.
    """
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute | ast.Subscript | ast.Call)
    }

    assert not calls & {"compile", "exec", "eval", "__import__"}
    if "hookd.sandbox.language" in imports(path):
        assert name_of(path) == "hookd.sandbox.worker"
    if "hookd.sandbox.worker" in imports(path):
        assert name_of(path) == "hookd.sandbox.zygote"
