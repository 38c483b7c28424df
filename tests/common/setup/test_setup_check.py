"""The check of an environment: what it accepts, what it says, and that the lock fits the ranges."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.setup.check import COMPILED, ROOT, main, requirements, unimportable, unmet


@pytest.fixture
def pyproject(tmp_path):
    def write(dependencies, extra=()):
        file = tmp_path / "pyproject.toml"
        file.write_text(
            f"[project]\ndependencies = {list(dependencies)!r}\n"
            f"[project.optional-dependencies]\ndev = {list(extra)!r}\n"
        )
        return file

    return write


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def test_the_lock_pins_every_package_exactly_and_within_the_ranges():
    pins = locked()
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in pins.values())
    for line in requirements(ROOT / "pyproject.toml", ["dev"]):
        wanted = Requirement(line)
        pin = pins[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(str(pin.specifier).removeprefix("==")), line


def test_the_lock_pins_the_pair_of_torch_and_torchvision_that_belongs_together():
    assert [str(locked()[name].specifier) for name in COMPILED] == ["==2.15.0", "==0.29.2"]


def test_this_environment_satisfies_the_project():
    assert unmet(requirements(ROOT / "pyproject.toml", ["dev"])) == []


@pytest.mark.parametrize(
    "line, problem",
    [
        ("numpy<1", f"numpy {version('numpy')} is installed, <1 is needed"),
        ("no-such-package>=1", "no-such-package is not installed"),
        ("numpy>=1", None),
        ("no-such-package>=1; python_version < '3'", None),
    ],
)
def test_an_unmet_requirement_is_named_with_what_is_there_and_what_is_needed(line, problem):
    assert unmet([line]) == ([problem] if problem else [])


def test_the_command_prints_one_line_and_fails(pyproject, capsys):
    file = pyproject(["numpy<1"], extra=["no-such-package"])
    assert main(["--pyproject", str(file), "--extra", "dev"]) == 1
    assert re.fullmatch(r"numpy .* <1 is needed, and 1 more\n", capsys.readouterr().out)


def test_extras_count_only_when_asked_for(pyproject, capsys):
    file = pyproject(["numpy"], extra=["no-such-package"])
    assert main(["--pyproject", str(file)]) == 0
    assert main(["--pyproject", str(file), "--extra", "dev"]) == 1
    assert capsys.readouterr().out == "no-such-package is not installed\n"


def test_what_cannot_be_imported_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_build.py").write_text("raise RuntimeError('operator does not exist\\n...')")
    monkeypatch.syspath_prepend(tmp_path)
    assert unimportable(["json", "broken_build"]) == [
        "broken_build cannot be imported (operator does not exist)"
    ]


def test_a_second_check_imports_nothing_heavy(pyproject, tmp_path):
    file = pyproject(["torch"])
    stamp = tmp_path / "folder" / "stamp"
    code = (
        "import sys; from common.setup.check import main; "
        f"status = main(['--pyproject', {str(file)!r}, '--stamp', {str(stamp)!r}]); "
        "print(status, 'torch' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["0 True", "0 False"]
    stamp.write_text("of another environment")
    assert main(["--pyproject", str(file), "--stamp", str(stamp)]) == 0
    assert stamp.read_text() != "of another environment"


def test_the_conda_environment_installs_the_project_itself():
    text = (Path(ROOT) / "environment.yml").read_text()
    assert re.findall(r"^ *- (.*)$", text, re.MULTILINE) == [
        "conda-forge",
        "python>=3.11,<3.14",
        "pip",
        "pip:",
        "--editable .[dev]",
    ]
