"""A trace as a mermaid flowchart: the way from the left to the right, what was rejected in dots."""

from __future__ import annotations

from minikube_py.insight.trace.path import Path


def mermaid(path: Path) -> str:
    """The text of the diagram."""
    lines = ["flowchart LR", f"  source([{_quoted(str(path.source))}])"]
    before = "source"
    for number, step in enumerate(path.steps):
        if step.stage == "endpoints":
            continue
        lines += [f"  s{number}[{_quoted(f'{step.stage}: {step.decision}')}]", f"  {before} --> s{number}"]
        before = f"s{number}"
    for number, reason in enumerate(_endpoints(path)):
        arrow = "-->" if " chosen" in reason else "-.->"
        lines += [f"  e{number}([{_quoted(reason)}])", f"  {before} {arrow} e{number}"]
    if not path.arrives:
        lines += [f"  end1{{{{{_quoted(path.outcome.value)}}}}}", f"  {before} --x end1"]
    return "\n".join(lines) + "\n"


def _endpoints(path: Path) -> list[str]:
    """Each once: what one node rejects, another may have chosen."""
    reasons = [each for step in path.steps if step.stage == "endpoints" for each in step.reasons]
    chosen = {each.partition(" ")[0] for each in reasons if " chosen" in each}
    shown = [each for each in reasons if " chosen" in each or each.partition(" ")[0] not in chosen]
    return list(dict.fromkeys(shown))


def _quoted(text: str) -> str:
    return '"' + text.replace("&", "&amp;").replace('"', "&quot;") + '"'
