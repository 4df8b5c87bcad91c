"""Objects in protobuf: the same envelope however an object was asked for, and made once."""

from __future__ import annotations

import pytest

from apiserver.routes.forms import PartialForm, PlainForm
from apiserver.routes.protobufform import ProtobufForm
from apiserver.schema.messages import Messages
from apiserver.schema.model import Model
from apiserver.store.store import Store
from minikube_py.api.resources import CONFIGMAPS


@pytest.mark.parametrize("inner", [PlainForm(CONFIGMAPS), PartialForm(CONFIGMAPS)], ids=lambda form: form.kind)
def test_an_object_of_a_stream_is_the_object_on_its_own(
    inner: PlainForm | PartialForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps, messages = Store().collection(CONFIGMAPS), Messages(Model.load())
    stored = maps.create({"metadata": {"name": "a", "namespace": "n"}, "data": {"x": "y" * 300}})
    form = ProtobufForm(inner, messages, maps.encoded)
    assert form.object(stored) == messages.seal(inner.object(stored))
    made: list[str] = []
    whole = Messages.message

    def counted(self: Messages, name: str, data: bytes) -> bytes:
        made.append(name)
        return whole(self, name, data)

    monkeypatch.setattr(Messages, "message", counted)
    assert form.item(stored) in form.object(stored)
    assert len(made) == (0 if isinstance(inner, PlainForm) else 2)
