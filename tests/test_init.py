"""The public interface: what it names, that it is typed, and that importing it costs nothing."""

import ast
from importlib import import_module
from pathlib import Path

import pytest
from commanding import python

import alexnet
from alexnet.version import VERSION


def declared() -> dict[str, str]:
    """The names that a type checker sees in the package, and the modules that it finds them in."""
    tree = ast.parse(Path(alexnet.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: str(node.module) for node in imports for alias in node.names}


def test_what_is_seen_by_a_type_checker_is_what_is_there() -> None:
    assert sorted(alexnet.__all__) == sorted(["VERSION", *declared()])
    assert dir(alexnet) == sorted(alexnet.__all__)


@pytest.mark.parametrize(("name", "home"), declared().items())
def test_every_name_is_the_object_of_its_home(name: str, home: str) -> None:
    assert getattr(alexnet, name) is getattr(import_module(home), name)


def test_importing_it_imports_neither_torch_nor_numpy() -> None:
    use = "import alexnet, sys; alexnet.Recipe, alexnet.recipe, alexnet.Spec"
    child = python(f"{use}; assert not {{'torch', 'numpy'}} & {{*sys.modules}}")
    _, err = child.communicate()
    assert child.returncode == 0, err


def test_a_misspelt_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'alexnet' has no attribute 'trian'"):
        alexnet.trian  # noqa: B018
    assert alexnet.__version__ == alexnet.VERSION == VERSION
