"""The front page tells the truth: its links lead somewhere, its folders and options exist."""

import re

import pytest

from common.launch.arguments import build_parser
from common.setup.check import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        *(ROOT / "common").rglob("README.md"),
        *(ROOT / "replications").rglob("README.md"),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files_that_are_there(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and not target.startswith("http")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_layout_names_every_folder_of_the_core_and_no_other():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    layout = text.partition("## Layout")[2].partition("```")[2].partition("```")[0]
    core = layout.partition("common/")[2].partition("replications/")[0]
    packages = sorted(path.parent.name for path in (ROOT / "common").glob("*/__init__.py"))
    assert sorted(re.findall(r"^    (\w+)/", core, re.MULTILINE)) == packages


def test_every_replication_has_its_line_in_the_table_of_papers():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for run in (ROOT / "replications").glob("*/run.py"):
        assert f"[{run.parent.name}](replications/{run.parent.name}/README.md)" in text


def test_every_option_of_a_command_is_one_that_run_py_has():
    text = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^python \$run (.*?)(?:  #.*)?$", text, re.MULTILINE)
    known = build_parser("sanity_checking", ["quick"])._option_string_actions
    used = {option for command in commands for option in re.findall(r"--[a-z-]+", command)}
    assert len(commands) >= 5
    assert used <= set(known)
    files = re.findall(r"\$configs/(\S+)", text)
    assert files
    for file in files:
        assert (ROOT / "replications/sanity_checking/configs" / file).is_file(), file
