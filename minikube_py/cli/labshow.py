"""How labs look in a terminal."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from minikube_py.labs import report as reports
from minikube_py.labs.checking import Verdict as Verdict
from minikube_py.labs.folder import LabFolder
from minikube_py.labs.model import Lab as Lab
from minikube_py.labs.model import Step, Text
from minikube_py.labs.progress import Progress, Records
from minikube_py.labs.variation import Values
from minikube_py.labs.words import say, text_in

_WIDEST = 100
_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def catalogue(folders: Sequence[LabFolder], records: Records, started: Collection[str], language: str) -> None:
    for folder in folders:
        progress = records.of(folder.name)
        state = say("passed", language) if progress.passed else say("running", language)
        told = state if progress.passed or folder.name in started else ""
        mark = click.style("✓" if progress.passed else "…" if told else " ", fg="green")
        minutes = say("minutes", language, n=folder.lab.minutes)
        title = f"{text_in(folder.lab.title, language)} ({minutes}{', ' if told else ''}{told})"
        click.echo(f"{mark} {folder.number:>2}  {folder.name:<15} {title}")
        click.echo(click.style(_indented(text_in(folder.lab.idea, language)), dim=True))
    click.echo("")
    click.echo(say("begin", language))


def _indented(text: str) -> str:
    indent = " " * 6
    return click.wrap_text(text, min(shutil.get_terminal_size().columns, _WIDEST), indent, indent)


def lesson(text: str, folder: LabFolder, cluster: str, language: str, *, took: float = 0.0) -> None:
    """``took``: seconds of setting up; 0 where the lesson is read again."""
    markdown(text)
    click.echo("")
    if took:
        click.echo(say("ready", language, lab=folder.name, ns=folder.namespace, s=took))
    if cluster != "minik":
        click.echo(say("cluster", language, cluster=cluster))
    click.echo(say("next", language, lab=folder.name))


def verdicts(found: Sequence[Verdict], folder: LabFolder, following: str, language: str, *, verbose: bool) -> None:
    for each in found:
        mark = click.style("✓", fg="green") if each.passed else click.style("✗", fg="red")
        click.echo(f" {mark} {text_in(each.check.title, language)}")
        if not each.passed and each.check.tell:
            click.echo(f"     {text_in(each.check.tell, language)}")
        for line in each.seen if verbose else ():
            click.echo(click.style(f"     {line}", dim=True))
    passed = sum(each.passed for each in found)
    if passed == len(found):
        click.echo(click.style(say("all-passed", language, lab=folder.name), fg="green"))
        click.echo(say("then", language, lab=following) if following else say("last", language))
        return
    click.echo(say("not-yet", language, n=passed, all=len(found)))
    if not verbose:
        click.echo(say("why", language, lab=folder.name))


def hints(shown: Sequence[Text], there_are: int, folder: LabFolder, language: str) -> None:
    for number, text in enumerate(shown, start=1):
        markdown(f"**{say('hint', language, n=number, all=there_are)}** {text_in(text, language)}")
    if len(shown) == there_are:
        click.echo(say("no-more-hints", language, lab=folder.name))


def solution(folder: LabFolder, lab: Lab, values: Values, language: str) -> None:
    click.echo(say("solving", language))
    for step in lab.solution:
        _step(folder, step, values, language)


def _step(folder: LabFolder, step: Step, values: Values, language: str) -> None:
    for _, text in folder.manifests(step.apply, values) if step.apply else ():
        markdown(f"```yaml\n{text.strip()}\n```")
    if step.delete:
        click.echo("  " + say("delete", language, what=step.delete))
    if step.until is not None:
        click.echo("  " + say("until", language, what=step.until.objects.kind))


def explanation(lab: Lab, folder: LabFolder, language: str) -> None:
    click.echo("")
    markdown(text_in(lab.explain, language))
    click.echo("")
    click.echo(say("solved", language, lab=folder.name))


def collected(file: Path) -> bool:
    """One line per report that a teacher collected; whether it is genuine."""
    try:
        body, fingerprint = reports.verify(file.read_bytes())
    except (reports.ForgedReport, OSError) as error:
        click.echo(f"✗ {file}: {error}")
        return False
    labs: Sequence[Progress] = body["labs"]
    passed = [each for each in labs if each.passed]
    click.echo(f"✓ {file}: {body['student']}, {body['written']}, key {fingerprint}: {len(passed)} passed")
    for each in labs:
        state = f"passed {each.passed}" if each.passed else "not passed"
        helped = ", after the solution" if each.solved else f", {each.hints} hints" if each.hints else ""
        click.echo(f"    {each.number:>2} {each.lab:<18} {state}, {each.attempts} checks{helped}, seed {each.seed}")
    return True


def markdown(text: str) -> None:
    """In colours on a terminal, as it was written elsewhere. Commands are never wrapped: they are to be copied."""
    if not sys.stdout.isatty():
        click.echo(text.rstrip())
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    for number, part in enumerate(_FENCE.split(text)):
        if number % 2:
            click.echo("")
            for line in part.strip("\n").splitlines():
                click.echo("    " + click.style(line, fg="cyan"))
            click.echo("")
        elif part.strip():
            console.print(Markdown(part.strip()), width=min(console.width, _WIDEST))
