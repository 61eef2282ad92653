"""The house rules: who may import whom, how long a file may be, what nothing may be called."""

import ast
from collections.abc import Iterator
from pathlib import Path

from rooms import PICTURE, drawing

PACKAGE = Path(__file__).parents[1] / "alexnet"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each room may import itself and the rooms named. Roots (errors, …) are open to all.
ROOMS = {
    "kernels": set(),
    "model": {"kernels"},
    "data": {"kernels"},
    "weights": {"kernels", "model", "data"},
    "evaluation": {"kernels", "model", "data", "weights"},
    "training": {"kernels", "model", "data", "weights", "evaluation"},
    "show": {"kernels", "model", "data", "weights", "evaluation", "training"},
    "experiments": {"kernels", "model", "data", "weights", "evaluation", "training", "show"},
    "serve": {"kernels", "model", "data", "weights", "evaluation", "training", "show"},
    "cli": {"kernels", "model", "data", "weights", "evaluation", "training", "show", "serve", "experiments"},
}
ROOTS = {"errors", "hardware", "home", "locking", "process", "reading", "schema", "threads", "version"}
# Third parties that live in certain files only; a trailing slash names a room.
KEPT_IN = {
    "PIL": ("data/", "training/run.py", "serve/pictures.py", "cli/"),
    "starlette": ("serve/",),
    "uvicorn": ("serve/server.py", "serve/protocol.py"),
    "prometheus_client": ("serve/metrics.py",),
    "simplejpeg": ("data/jpeg.py",),
    "pi_heif": ("data/heic.py",),
    "tensorboard": ("training/log.py",),
    "torch.distributed": ("training/circle.py", "training/team.py"),
    "click": ("cli/",),
    "rich": ("cli/",),
    "safetensors": ("weights/",),
    "onnx": ("weights/",),
    "onnxruntime": ("weights/",),
    "matplotlib": ("show/figures/", "cli/pictures.py"),
}
TORCH_FREE = (
    "data/",
    "errors.py",
    "hardware.py",
    "process.py",
    "reading.py",
    "schema.py",
    "version.py",
    "training/recipe.py",
    "training/recipes.py",
    "model/spec.py",
)
MAY_IMPORT_TORCH = ("data/loader.py",)
IMPORTS_LATE = (
    "cli/",
    "__init__.py",
    "data/heic.py",
    "data/jpeg.py",
    "data/sources/imagenet.py",
)  # the others: optional extras


def module(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imports(path: Path, *, top_level: bool = False) -> Iterator[tuple[str, ast.stmt]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module(path)}: imports are absolute"
            for alias in node.names:
                # `from a.b import c` names the module a.b.c where that is a file, else a.b
                inner = Path(*f"{node.module}.{alias.name}".split("."))
                found = (PACKAGE.parent / inner).with_suffix(".py").is_file() or (PACKAGE.parent / inner).is_dir()
                yield f"{node.module}.{alias.name}" if found else node.module or "", node


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    """Every node of every file of the package."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def test_a_room_imports_only_the_rooms_below() -> None:
    offenders = []
    for path in FILES:
        room = module(path).split("/")[0]
        for name, node in imports(path) if room in ROOMS else ():
            ours, *parts = name.split(".")
            if ours == "alexnet" and parts and parts[0] not in ROOTS | ROOMS[room] | {room}:
                offenders.append(f"{module(path)}:{node.lineno} imports {name}")
    assert not offenders


def test_no_room_is_unknown() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms <= set(ROOMS), "a new room needs its row in ROOMS"


def test_the_picture_of_the_rooms_is_current() -> None:
    assert PICTURE.read_text(encoding="utf-8") == drawing(ROOMS), "python tests/rooms.py draws docs/rooms.svg anew"


def test_no_import_cycle_inside_a_room() -> None:
    graph = {
        "alexnet." + module(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): {
            name for name, _ in imports(path, top_level=True) if name.startswith("alexnet.")
        }
        for path in FILES
    }
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"import cycle: {' → '.join((*above, name))}"
        if name in done or name not in graph:
            return
        for below in graph[name]:
            visit(below, (*above, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_third_parties_stay_where_they_belong() -> None:
    offenders = []
    for path in FILES:
        for name, node in imports(path):
            root = "tensorboard" if "tensorboard" in name else name.split(".")[0]
            if name.startswith(("torch.distributed", "torch._C._distributed")):
                root = "torch.distributed"
            if root in KEPT_IN and not module(path).startswith(KEPT_IN[root]):
                offenders.append(f"{module(path)}:{node.lineno} imports {name}")
    assert not offenders


def test_what_starts_fast_does_not_import_torch() -> None:
    fast = [path for path in FILES if module(path).startswith(TORCH_FREE) and module(path) not in MAY_IMPORT_TORCH]
    found = [(path, name, node) for path in fast for name, node in imports(path)]
    assert not [f"{module(path)}:{node.lineno}" for path, name, node in found if name.split(".")[0] == "torch"]


def test_imports_stand_at_the_top() -> None:
    functions = ((path, node) for path, node in nodes() if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert not [
        f"{module(path)}:{node.lineno} imports inside {function.name}"
        for path, function in functions
        if not module(path).startswith(IMPORTS_LATE)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_nothing_below_the_command_line_prints_exits_or_reads_the_environment() -> None:
    offenders = []
    for path, node in nodes():
        match node:
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit" as name)):
                offenders.append(f"{module(path)}:{node.lineno} calls {name}")
            case ast.Attribute(value=ast.Name(id="sys"), attr="exit"):
                offenders.append(f"{module(path)}:{node.lineno} uses sys.exit")
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "getenv"):
                offenders.append(f"{module(path)}:{node.lineno} reads the environment")
    assert not [offender for offender in offenders if not offender.startswith(("cli/", "__main__.py", "home.py"))]


SOURCES = sorted([*FILES, *PACKAGE.rglob("*.cpp"), *PACKAGE.rglob("*.h"), *Path(__file__).parent.glob("*.py")])


def test_files_stay_short_enough_to_read_at_a_sitting() -> None:
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {name: count for name, count in lines.items() if count > 400}, "what should these not know?"


def test_no_junk_drawers() -> None:
    drawers = {"utils", "util", "common", "helpers", "misc"}
    assert not [module(path) for path in FILES if {*path.relative_to(PACKAGE).with_suffix("").parts} & drawers]
