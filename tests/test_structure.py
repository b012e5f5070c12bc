"""The rules that keep the project readable."""

import ast
import graphlib

from .conftest import ROOT, run_program

LAYERS = ["runtime", "media", "preprocessing", "training", "measures", "began", "audio2faces"]
WITH_TENSORFLOW = ("metrics_log.py", "tensorflow_files.py", "distribution.py", "step.py")  # what is its own


def imported_packages(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_layers_import_one_way():
    for height, layer in enumerate(LAYERS):
        for path in (ROOT / layer).glob("**/*.py"):
            above = set(imported_packages(path)) & {*LAYERS[height + 1 :], "train", "generate", "tests"}
            assert not above, f"{path} imports {above}"


def imported_modules(path, modules):
    """The modules of the project that one imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (part if part in modules else node.module for part in parts if {part, node.module} & modules)


def test_no_modules_import_each_other_in_a_circle():
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if path.name != "__init__.py"
    }
    imports = {name: set(imported_modules(path, set(paths))) for name, path in paths.items()}
    graphlib.TopologicalSorter(imports).prepare()  # raises a CycleError that names them


def test_a_constant_has_one_value():
    for path in [path for layer in [*LAYERS, "benchmarks", "experiments"] for path in (ROOT / layer).rglob("*.py")]:
        assigned = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
        names = [target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)]
        assert len(names) == len(set(names)), f"{path}: {sorted(name for name in names if names.count(name) > 1)}"


def test_networks_and_losses_run_on_any_keras_backend():
    shared = [path for folder in ("training", "measures", "began") for path in (ROOT / folder).rglob("*.py")]
    networks = [ROOT / "audio2faces" / name / "network.py" for name in ("regressor", "refiner", "speech_encoder")]
    for path in [path for path in shared if path.name not in WITH_TENSORFLOW] + networks:
        assert "tensorflow" not in set(imported_packages(path)), path


def test_pictures_are_drawn_without_a_notebook_s_or_screen_s_backend():
    for path in [path for folder in [*LAYERS, "benchmarks", "experiments"] for path in (ROOT / folder).rglob("*.py")]:
        assert "pyplot" not in path.read_text(encoding="utf-8"), path


def test_commands_that_need_no_network_do_not_wait_for_tensorflow():
    programs = "audio2faces.train, preprocessing.__main__" + "".join(
        f", audio2faces.{name}.__main__" for name in ("generate", "evaluate", "export")
    )
    done = run_program("-c", f"import sys, {programs}; print('tensorflow' in sys.modules)")
    assert done.stdout.strip() == "False", done.stderr


def test_public_functions_are_annotated():
    """Parameters and results of every public function and method of the packages; mypy checks that they are right."""
    missing = []
    for path in [path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]:
        body = ast.parse(path.read_text(encoding="utf-8")).body
        methods = [node for kind in body if isinstance(kind, ast.ClassDef) for node in kind.body]
        for node in [*body, *methods]:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                arguments = [a for a in (*node.args.args, *node.args.kwonlyargs) if a.arg not in ("self", "cls")]
                if node.returns is None or any(argument.annotation is None for argument in arguments):
                    missing.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert not missing
