"""What the tool itself says, in every language of the labs."""

from __future__ import annotations

from collections.abc import Mapping

from minikube_py.labs.folder import LANGUAGES
from minikube_py.labs.model import Text

#: A word: (English, Chinese).
_WORDS: Mapping[str, tuple[str, str]] = {
    "minutes": ("{n} min", "{n} 分钟"),
    "passed": ("passed", "已通过"),
    "running": ("started", "进行中"),
    "begin": ("Begin with:  minik lab start 1", "从这里开始：minik lab start 1"),
    "ready": (
        "Lab {lab} is set up in namespace {ns} ({s:.1f} s).",
        "实验 {lab} 已就绪，命名空间 {ns}（{s:.1f} 秒）。",
    ),
    "next": (
        "Done?   minik lab check {lab}\nStuck?  minik lab hint {lab}\nAgain:  minik lab show {lab}",
        "做完了？  minik lab check {lab}\n卡住了？  minik lab hint {lab}\n再读一遍：minik lab show {lab}",
    ),
    "cluster": (
        "This is not the default cluster. First type:  export MINIK_CLUSTER={cluster}",
        "当前不是默认集群，请先输入：export MINIK_CLUSTER={cluster}",
    ),
    "all-passed": ("Lab {lab} is passed.", "实验 {lab} 通过了！"),
    "then": ("Next:  minik lab start {lab}", "下一个：minik lab start {lab}"),
    "last": (
        "It was the last one. For your teacher:  minik lab report",
        "这是最后一个实验。交给老师：minik lab report",
    ),
    "not-yet": ("{n} of {all} checks pass. Not there yet.", "{all} 项检查通过了 {n} 项，还差一点。"),
    "why": ("What was seen:  minik lab check {lab} -v", "查看实测结果：minik lab check {lab} -v"),
    "hint": ("Hint {n} of {all}:", "提示 {n}/{all}："),
    "no-more-hints": (
        "That was the last hint. The solution:  minik lab solve {lab}",
        "提示已用完。查看答案：minik lab solve {lab}",
    ),
    "solving": ("Applying the reference solution:", "应用参考答案："),
    "solved": ("See for yourself:  minik lab check {lab}", "自己验证一下：minik lab check {lab}"),
    "removed": ("Lab {lab} is removed.", "实验 {lab} 已清除。"),
    "delete": ("delete {what}", "删除 {what}"),
    "until": ("wait for {what}", "等待 {what}"),
    "written": ("Written to {path}: {n} of {all} labs passed.", "已写入 {path}：{all} 个实验通过 {n} 个。"),
}


def language_of(environment: Mapping[str, str]) -> str:
    """The language of a POSIX locale (LC_ALL before LC_MESSAGES before LANG); English where there is no other text."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if locale := environment.get(name):
            found = locale.partition("_")[0].partition(".")[0].lower()
            return found if found in LANGUAGES else LANGUAGES[0]
    return LANGUAGES[0]


def text_in(text: Text, language: str) -> str:
    """The text in the language, else in English, else in any."""
    return text.get(language) or text.get(LANGUAGES[0]) or next(iter(text.values()), "")


def say(word: str, language: str, **values: object) -> str:
    """One of the tool's own sentences."""
    return text_in(dict(zip(LANGUAGES, _WORDS[word], strict=True)), language).format(**values)
