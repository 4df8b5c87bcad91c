"""Our entries come and go; nobody else's change."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from minikube_py.cluster import kubeconfig
from minikube_py.config.parts import KeyPair

THEIRS: kubeconfig.Config = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
    "users": [{"name": "prod", "user": {"token": "t"}}],
    "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "prod"}}],
    "current-context": "prod",
    "preferences": {"colors": True},
}


@pytest.fixture
def ours(tmp_path: Path) -> kubeconfig.Config:
    for name in ("ca", "crt", "key"):
        (tmp_path / name).write_text(name)
    pair = KeyPair(certificate=tmp_path / "crt", key=tmp_path / "key")
    return kubeconfig.render("minik", "https://127.0.0.1:1", tmp_path / "ca", pair)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kube" / "config"


def test_a_new_file_is_made_for_its_owner_only(target: Path, ours: kubeconfig.Config) -> None:
    kubeconfig.add_to(target, ours)
    assert kubeconfig.read(target)["current-context"] == "minik"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(target.parent) == ["config"]


def test_merging_twice_and_removing_leaves_the_rest_untouched(target: Path, ours: kubeconfig.Config) -> None:
    kubeconfig.write(target, THEIRS)
    kubeconfig.add_to(target, ours)
    kubeconfig.add_to(target, ours)
    merged = kubeconfig.read(target)
    assert [entry["name"] for entry in merged["contexts"]] == ["prod", "minik"]
    assert merged["current-context"] == "minik"
    kubeconfig.remove_from(target, "minik")
    assert kubeconfig.read(target) == {**THEIRS, "current-context": ""}


def test_the_current_context_of_others_survives_our_removal(target: Path, ours: kubeconfig.Config) -> None:
    kubeconfig.add_to(target, ours)
    kubeconfig.write(target, kubeconfig.merged(kubeconfig.read(target), THEIRS))
    kubeconfig.remove_from(target, "minik")
    assert kubeconfig.read(target)["current-context"] == "prod"


def test_a_symbolic_link_is_followed(tmp_path: Path, target: Path, ours: kubeconfig.Config) -> None:
    real = tmp_path / "real"
    real.write_text("")
    target.parent.mkdir()
    target.symlink_to(real)
    kubeconfig.add_to(target, ours)
    assert target.is_symlink()
    assert kubeconfig.read(real)["current-context"] == "minik"


def test_a_locked_file_is_left_alone(target: Path, ours: kubeconfig.Config) -> None:
    kubeconfig.write(target, THEIRS)
    target.with_name("config.lock").touch()
    with pytest.raises(kubeconfig.KubeconfigBusy, match="locked"):
        kubeconfig.add_to(target, ours)
    assert kubeconfig.read(target) == THEIRS


@pytest.mark.parametrize("content", ["- a list", "{not yaml", "text"])
def test_what_is_no_kubeconfig_is_not_overwritten(target: Path, ours: kubeconfig.Config, content: str) -> None:
    target.parent.mkdir()
    target.write_text(content)
    with pytest.raises(ValueError, match="is not"):
        kubeconfig.add_to(target, ours)
    assert target.read_text() == content


def test_the_first_path_of_the_variable_is_the_users_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/a/config:/b/config")
    assert kubeconfig.user_kubeconfig() == Path("/a/config")
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", "/home/someone")
    assert kubeconfig.user_kubeconfig() == Path("/home/someone/.kube/config")


@pytest.mark.parametrize("text", ["just words", "- a list", "clusters: 5", "contexts: [words]", "users: {a: b}"])
def test_what_is_no_kubeconfig_is_left_alone(target: Path, ours: kubeconfig.Config, text: str) -> None:
    target.parent.mkdir()
    target.write_text(text)
    for change in (lambda: kubeconfig.add_to(target, ours), lambda: kubeconfig.remove_from(target, "minik")):
        with pytest.raises(ValueError, match="is not a kubeconfig"):
            change()
    assert target.read_text() == text


def test_what_is_wrong_with_yaml_is_told_on_one_line(target: Path) -> None:
    target.parent.mkdir()
    target.write_text("{ nonsense: [\n")
    with pytest.raises(ValueError, match="is not YAML") as fault:
        kubeconfig.read(target)
    assert "\n" not in str(fault.value)
