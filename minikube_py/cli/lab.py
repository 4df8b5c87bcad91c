"""`minik lab`: lessons on the running cluster. What a lab is and how it is judged is in `minikube_py.labs`."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from minikube_py.aio.clock import SystemClock
from minikube_py.api.meta import format_time
from minikube_py.cli import labshow
from minikube_py.cli.access import cluster_access, load_balancers, told_plainly
from minikube_py.cli.options import cluster_name, plain
from minikube_py.client.rest import Client
from minikube_py.cluster.paths import home
from minikube_py.labs import report as reports
from minikube_py.labs import scaffold, session
from minikube_py.labs.checking import check_all
from minikube_py.labs.folder import LANGUAGES, SHIPPED, LabFault, LabFolder, load, load_all
from minikube_py.labs.measure import Observer
from minikube_py.labs.progress import Progress, Records
from minikube_py.labs.variation import UnknownValue
from minikube_py.labs.words import language_of, say

T = TypeVar("T")
_START_SECONDS = 60.0

language_option = click.option(
    "--lang",
    "language",
    type=click.Choice(LANGUAGES),
    default=lambda: language_of(os.environ),
    show_default="your locale's",
    help="The language of the texts.",
)
lab_argument = click.argument("lab", metavar="LAB")


@click.group()
def lab() -> None:
    """Lessons on Services: each sets itself up on the running cluster and checks what you did, traffic included.

    LAB is a number or a name of `minik lab list`. $MINIK_LABS names folders with more labs.
    """


@lab.command("list")
@cluster_name
@language_option
def list_(name: str, language: str) -> None:
    """List the labs, and how far you are."""
    with _told(name):
        folders = load_all(_roots())
        try:
            started = _on_cluster(name, session.running)
        except click.ClickException:
            started = set()  # no cluster yet: the list is worth reading all the same
    labshow.catalogue(folders, _records(), started, language)


@lab.command()
@cluster_name
@language_option
@click.option("--seed", default="", help="Varies details. Default: your login name.")
@lab_argument
def start(name: str, language: str, seed: str, lab: str) -> None:
    """Set LAB up in a namespace of its own, and show the lesson."""
    folder = _find(lab)
    _start(name, language, seed or os.environ.get("MINIK_LAB_SEED") or getpass.getuser(), folder)


@lab.command()
@cluster_name
@language_option
@lab_argument
def show(name: str, language: str, lab: str) -> None:
    """Show the lesson of LAB again."""
    folder = _find(lab)

    async def read(client: Client) -> str:
        seed = await session.seed_of(client, folder)
        return folder.lesson(language, folder.values(seed, await session.cluster_values(client, load_balancers(name))))

    with _told(name):
        labshow.lesson(_on_cluster(name, read), folder, name, language)


@lab.command()
@cluster_name
@language_option
@click.option("-v", "--verbose", is_flag=True, help="Also say what was seen.")
@lab_argument
def check(name: str, language: str, verbose: bool, lab: str) -> None:
    """Check what you did in LAB: objects and real requests. Exit status 1: not there yet."""
    folder = _find(lab)

    async def run(client: Client) -> tuple[str, list[labshow.Verdict]]:
        seed = await session.seed_of(client, folder)
        filled = folder.filled(folder.values(seed, await session.cluster_values(client, load_balancers(name))))
        return seed, await check_all(_observer(name, client, folder), filled)

    with _told(name):
        seed, verdicts = _on_cluster(name, run)
    passed = all(each.passed for each in verdicts)
    known = _records().of(folder.name)
    _records().keep(
        known.model_copy(
            update={
                "number": folder.number,
                "digest": folder.digest(),
                "seed": seed,
                "attempts": known.attempts + 1,
                "passed": known.passed or (_now() if passed else ""),
                "checks": {each.check.id: each.passed for each in verdicts},
            }
        )
    )
    labshow.verdicts(verdicts, folder, _next(folder), language, verbose=verbose)
    raise SystemExit(0 if passed else 1)


@lab.command()
@cluster_name
@language_option
@lab_argument
def hint(name: str, language: str, lab: str) -> None:
    """Show the next hint for LAB."""
    folder = _find(lab)

    async def filled(client: Client) -> labshow.Lab:
        seed = await session.seed_of(client, folder)
        return folder.filled(folder.values(seed, await session.cluster_values(client, load_balancers(name))))

    with _told(name):
        hints = _on_cluster(name, filled).hints
    known = _records().of(folder.name)
    count = min(known.hints + 1, len(hints))
    _records().keep(known.model_copy(update={"number": folder.number, "hints": count}))
    labshow.hints(hints[:count], len(hints), folder, language)


@lab.command()
@cluster_name
@language_option
@lab_argument
def solve(name: str, language: str, lab: str) -> None:
    """Carry out the reference solution of LAB, and say why it is one."""
    folder = _find(lab)

    async def run(client: Client) -> labshow.Lab:
        values = folder.values(
            await session.seed_of(client, folder), await session.cluster_values(client, load_balancers(name))
        )
        filled = folder.filled(values)
        labshow.solution(folder, filled, values, language)
        async with asyncio.timeout(_START_SECONDS):
            await session.carry_out(_observer(name, client, folder), folder, filled.solution, values)
        return filled

    with _told(name):
        filled = _on_cluster(name, run)
    known = _records().of(folder.name)
    _records().keep(known.model_copy(update={"number": folder.number, "solved": known.solved or not known.passed}))
    labshow.explanation(filled, folder, language)


@lab.command()
@cluster_name
@language_option
@click.option("--stop", is_flag=True, help="Only remove it.")
@lab_argument
def reset(name: str, language: str, stop: bool, lab: str) -> None:
    """Remove what LAB made, and set it up anew with the same seed."""
    folder = _find(lab)

    async def run(client: Client) -> str:
        seed = await session.seed_of(client, folder)
        async with asyncio.timeout(_START_SECONDS):
            await session.remove(_observer(name, client, folder), folder)
        return seed

    with _told(name):
        seed = _on_cluster(name, run)
    click.echo(say("removed", language, lab=folder.name))
    if not stop:
        _start(name, language, seed, folder)


@lab.command(short_help="Write a signed report, or verify some.")
@language_option
@click.option("--student", default=getpass.getuser, show_default="your login name", help="Who you are.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("lab-report.json"),
    show_default=True,
    help="The file to write.",
)
@click.option("--verify", "collected", is_flag=True, help="Verify reports instead, and show them as a table.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
def report(language: str, student: str, output: Path, collected: bool, files: Sequence[Path]) -> None:
    """Write a signed report of what you passed; or, with --verify, read FILEs that were collected."""
    if collected:
        genuine = [labshow.collected(file) for file in files]
        raise SystemExit(0 if all(genuine) else 1)
    done = _records().all()
    try:
        output.write_bytes(reports.write(student, _now(), done, reports.student_key(_folder() / "key")))
    except (OSError, ValueError) as error:
        raise click.ClickException(plain(error)) from error
    passed = sum(bool(each.passed) for each in done)
    click.echo(say("written", language, path=output, n=passed, all=len(load_all(_roots()))))


@lab.command()
@click.argument("path", metavar="FOLDER", type=click.Path(path_type=Path))
def new(path: Path) -> None:
    """Make a new lab in FOLDER, to change to your liking. Its name is like 14-my-lab."""
    try:
        made = scaffold.new(path)
    except (LabFault, OSError) as error:
        raise click.ClickException(plain(error)) from error
    click.echo(f"{path} is a lab that works: change it, and prove it with `minik lab lint {path}`.")
    click.echo(f"To start it:  export MINIK_LABS={path.resolve().parent}; minik lab start {made.name}")


@lab.command(short_help="Prove that labs can be failed and passed.")
@cluster_name
@click.option("--seed", default="lint", show_default=True, help="What the names, ports and addresses follow from.")
@click.option("--jobs", default=4, show_default=True, help="How many at a time.")
@click.option("--text-only", is_flag=True, help="Only read the texts: needs no cluster.")
@click.argument("labs", metavar="[LAB or FOLDER]...", nargs=-1)
def lint(name: str, seed: str, jobs: int, text_only: bool, labs: Sequence[str]) -> None:
    """Prove that labs (all, where none is named) fail at their start, and pass with their solution."""
    from minikube_py.cli.lablint import lint_labs

    with _told(name):
        folders = [_find(each) for each in labs] or load_all(_roots())
        access = None if text_only else cluster_access(name)
        well = asyncio.run(
            lint_labs(
                folders, access, seed, jobs, lambda client, one: _observer(name, client, one), load_balancers(name)
            )
        )
    raise SystemExit(0 if well else 1)


def _start(name: str, language: str, seed: str, folder: LabFolder) -> None:
    clock = SystemClock()
    begun = clock.monotonic()

    async def run(client: Client) -> str:
        values = folder.values(seed, await session.cluster_values(client, load_balancers(name)))
        text = folder.lesson(language, values)
        async with asyncio.timeout(_START_SECONDS):
            await session.start(_observer(name, client, folder), folder, seed, values)
        return text

    with _told(name):
        text = _on_cluster(name, run)
    took = clock.monotonic() - begun
    fresh = Progress(lab=folder.name, number=folder.number, digest=folder.digest(), seed=seed, started=_now())
    known = _records().of(folder.name)
    _records().keep(known.model_copy(update={"seed": seed}) if known.started else fresh)
    labshow.lesson(text, folder, name, language, took=took)


def _on_cluster(name: str, act: Callable[[Client], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Client.from_access(cluster_access(name)) as client:
            return await act(client)

    return asyncio.run(run())


def _observer(name: str, client: Client, folder: LabFolder) -> Observer:
    async def advance(duration: str) -> None:
        from minikube_py.cli.clock import parse_duration
        from minikube_py.client.clusterclock import ClockStands
        from minikube_py.client.clusterclock import advance as advance_clock

        try:
            await advance_clock(client, parse_duration(duration), SystemClock())
        except ClockStands as error:
            raise LabFault(str(error)) from error

    return Observer(client=client, access=cluster_access(name), namespace=folder.namespace, advance=advance)


def _find(wanted: str) -> LabFolder:
    """By number, name or path."""
    try:
        if Path(wanted, "lab.yaml").is_file():
            return load(Path(wanted))
        folders = load_all(_roots())
    except LabFault as fault:
        raise click.ClickException(str(fault)) from fault
    for one in folders:
        if wanted in (one.name, str(one.number), one.path.name):
            return one
    raise click.ClickException(f"there is no lab {wanted}: see `minik lab list`")


def _next(folder: LabFolder) -> str:
    later = [each for each in load_all(_roots()) if each.number > folder.number]
    return later[0].name if later else ""


def _roots() -> list[Path]:
    return [SHIPPED, *(Path(each) for each in os.environ.get("MINIK_LABS", "").split(os.pathsep) if each)]


def _folder() -> Path:
    return home() / "labs"


def _records() -> Records:
    return Records(_folder() / "progress")


def _now() -> str:
    return format_time(SystemClock().now())


@contextmanager
def _told(name: str) -> Iterator[None]:
    with told_plainly(name):
        try:
            yield
        except (LabFault, UnknownValue) as fault:
            raise click.ClickException(str(fault)) from fault
        except TimeoutError:
            raise click.ClickException(f"the lab is not ready after {_START_SECONDS:g} s: minik status") from None
