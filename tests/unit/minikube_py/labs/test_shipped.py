"""The labs that come with minik, as far as reading goes: whole in both languages, for every student."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minikube_py.labs.folder import LANGUAGES, SHIPPED, LabFault, LabFolder, load, load_all
from minikube_py.labs.lint import read_through
from minikube_py.labs.scaffold import new

LABS = load_all([SHIPPED])


def test_there_are_thirteen_in_a_row() -> None:
    assert [one.number for one in LABS] == list(range(1, 14))


@pytest.mark.parametrize("lab", LABS, ids=lambda one: one.name)
def test_reading_finds_no_fault(lab: LabFolder) -> None:
    assert read_through(lab) == []


def _commands(lab: LabFolder, language: str) -> list[str]:
    text = (lab.path / f"lesson.{language}.md").read_text()
    blocks = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    return [
        line.partition(" ||")[0]
        for block in blocks
        for line in block.splitlines()
        if "minik" in line or "kubectl" in line
    ]


@pytest.mark.parametrize("lab", LABS, ids=lambda one: one.name)
def test_both_languages_type_the_same(lab: LabFolder) -> None:
    english, chinese = (_commands(lab, language) for language in LANGUAGES)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert one == other or ("SOMETHING" in one and one.split("SOMETHING")[0] == other.split("换成你的答案")[0])


@pytest.mark.parametrize("lab", LABS, ids=lambda one: one.name)
def test_a_lesson_fits_on_a_screen_or_two(lab: LabFolder) -> None:
    for language in LANGUAGES:
        lines = (lab.path / f"lesson.{language}.md").read_text().splitlines()
        assert len(lines) <= 60
        assert all(len(line) <= 200 for line in lines)


def test_a_new_lab_is_whole(tmp_path: Path) -> None:
    made = new(tmp_path / "14-mine")
    assert (made.number, made.name) == (14, "mine")
    assert read_through(made) == []
    with pytest.raises(LabFault, match="there already"):
        new(tmp_path / "14-mine")
    with pytest.raises(LabFault, match="named like"):
        new(tmp_path / "Not A Name")
    assert not (tmp_path / "Not A Name").exists()


def test_a_lab_cannot_read_beyond_its_folder(tmp_path: Path) -> None:
    made = new(tmp_path / "mine")
    with pytest.raises(LabFault, match=r"no .*secret"):
        made.manifests("../secret", {})


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: (path / "lesson.zh.md").unlink(), "lesson.zh.md is missing"),
        (lambda path: (path / "setup.yaml").unlink(), "no setup.yaml"),
        (lambda path: (path / "setup.yaml").write_text("kind: [x"), "setup.yaml"),
        (lambda path: (path / "lesson.en.md").write_text("${nothing}"), "nothing"),
        (lambda path: _edit(path, "zh: 标题}", "}"), "title is not told in zh"),
        (lambda path: _edit(path, "path: outcome", "path: 'out come'"), "cannot be read"),
        (lambda path: _edit(path, "kind: Deployment", "kind: Deplyment"), "no kind Deplyment"),
    ],
)
def test_reading_finds(tmp_path: Path, damage, told: str) -> None:
    made = new(tmp_path / "mine")
    damage(made.path)
    assert told in "; ".join(read_through(load(made.path)))


def test_a_lab_that_is_none(tmp_path: Path) -> None:
    made = new(tmp_path / "mine")
    _edit(made.path, "minutes: 5", "minute: 5")
    with pytest.raises(LabFault, match="minute"):
        load(made.path)
    with pytest.raises(LabFault, match="there is a lab mine already"):
        new(tmp_path / "a" / "mine")
        new(tmp_path / "b" / "mine")
        load_all([tmp_path / "a", tmp_path / "b"])


def _edit(path: Path, old: str, changed: str) -> None:
    file = path / "lab.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, changed, 1))
