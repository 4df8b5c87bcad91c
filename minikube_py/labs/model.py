"""What a teacher writes in ``lab.yaml``.

Everything that a check looks at - objects, answers to requests, a resolver's answers, a command's output - is measured
as a list of JSON items, and one small language of expectations judges them all. So a lab needs no Python.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: A text by language ("en", "zh").
Text = dict[str, str]


class Model(BaseModel):
    """Frozen and strict about names: a misspelt key is an error, not a check that never runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Vary(Model):
    """A detail that differs from student to student: one of ``choose``, a number ``between`` two, or an address."""

    choose: list[Any] | None = None
    between: tuple[int, int] | None = None
    address_in: str | None = Field(default=None, alias="addressIn", description="a CIDR, e.g. 203.0.113.0/24")

    @model_validator(mode="after")
    def _one(self) -> Vary:
        _exactly_one(self, "choose", "between", "address_in")
        return self


class Objects(Model):
    """Objects of one kind, by name or by labels. Each is an item; none is no item."""

    kind: str
    name: str = ""
    labels: dict[str, str] = {}
    namespace: str = Field(default="", description='"": the lab\'s own')


class Request(Model):
    """HTTP requests, each over a connection of its own. An item per request: ``outcome`` (answered, refused, timeout,
    unresolved, failed), ``status``, ``source`` (whom the server saw) and whatever JSON object came back."""

    source: str = Field(alias="from", description="a pod of the lab with curl, or host")
    url: str
    times: int = Field(default=1, ge=1, le=100)
    headers: dict[str, str] = {}
    timeout: float = Field(default=2.0, gt=0, le=30)
    advance: str = Field(default="", description="move the lessons' clock this far before every request, e.g. 3h")


class Resolve(Model):
    """A name as a pod's own resolver sees it. An item per address: ``address``."""

    source: str = Field(alias="from")
    name: str


class Exec(Model):
    """A command in a pod. One item: ``exit`` and ``lines``."""

    pod: str
    argv: list[str]


class Measure(Model):
    """Exactly one way to look."""

    objects: Objects | None = None
    request: Request | None = None
    resolve: Resolve | None = None
    exec: Exec | None = None

    @model_validator(mode="after")
    def _one(self) -> Measure:
        _exactly_one(self, "objects", "request", "resolve", "exec")
        return self


class Reference(Measure):
    """Values to compare with, measured at the same time."""

    path: str = ""


class Bounds(Model):
    """An inclusive range."""

    min: int = 0
    max: int | None = None


class Expectation(Model):
    """What must be true of the values at ``path`` of all items. Several conditions must all hold.

    ``equals``, ``oneOf`` and ``matches`` (a regular expression for the whole text) want a value, and all to be so.
    """

    path: str = ""
    equals: Any = None
    contains: Any = Field(default=None, description="one of the values is this")
    lacks: Any = Field(default=None, description="none of the values is this")
    one_of: list[Any] | None = Field(default=None, alias="oneOf")
    matches: str | None = None
    count: int | Bounds | None = Field(default=None, description="how many values")
    distinct: int | Bounds | None = Field(default=None, description="how many different values")
    same_as: Reference | None = Field(default=None, alias="sameAs", description="the same set of values")

    @model_validator(mode="after")
    def _something(self) -> Expectation:
        if not self.model_fields_set - {"path"}:
            raise ValueError("expects nothing")
        return self


class Check(Measure):
    """Something that must be so in the end. ``holds``: it is so from the start, and must stay so."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: Text
    tell: Text = Field(default={}, description="said to a student whose state fails it: a question, not the answer")
    expect: list[Expectation] = Field(min_length=1)
    holds: bool = False


class Until(Model):
    """Objects to wait for."""

    objects: Objects
    expect: list[Expectation] = Field(min_length=1)


class Step(Model):
    """One step of a setup or a solution.

    ``apply``: a file or folder of manifests; their pods are waited for unless ``wait`` is false.
    ``delete``: ``Kind/name``. ``until``: objects are as expected.
    """

    apply: str = ""
    wait: bool = True
    delete: str = ""
    until: Until | None = None

    @model_validator(mode="after")
    def _one(self) -> Step:
        _exactly_one(self, "apply", "delete", "until")
        return self


class Lab(Model):
    """A lab. ``namespaces`` names further namespaces: ``other`` is ``${other}`` in the texts."""

    title: Text
    idea: Text = Field(description="the one thing that it teaches")
    minutes: int = 10
    nodes: int = Field(default=1, ge=1, le=3)
    namespaces: list[str] = []
    vary: dict[str, Vary] = {}
    setup: list[Step] = Field(min_length=1)
    checks: list[Check] = Field(min_length=1)
    hints: list[Text] = Field(min_length=1)
    solution: list[Step] = Field(min_length=1)
    explain: Text = Field(description="why the solution is one")


def _exactly_one(model: Model, *names: str) -> None:
    given = [name for name in names if getattr(model, name) not in (None, "")]
    if len(given) != 1:
        raise ValueError(f"give exactly one of {', '.join(names)}")
