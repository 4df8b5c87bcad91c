"""YAML bodies as kubectl and the API server read them: YAML 1.1's surprises kept out where upstream's reader has none.

``sigs.k8s.io/yaml`` converts to JSON: times and dates stay text, ``12:30`` is text, ``1e3`` a number, keys become
strings, and ``yes``/``on``/``off`` remain booleans as YAML 1.1 has them (that trap is upstream's own).
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from apiserver.schema.jsontext import SyntaxProblem, check_writable, may_repeat_fields
from apiserver.schema.jsontext import parse as parse_json

try:
    from yaml import CSafeLoader as _Base
except ImportError:  # PyYAML without libyaml
    from yaml import SafeLoader as _Base  # type: ignore[assignment]

_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|(?:0|[1-9][0-9_]*))$")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)
_BOOL = re.compile(r"(?:y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$")
_LARGEST_EXPANSION = 400_000
_MOST_REPORTS = 100
_TRUE = {"y", "yes", "true", "on"}


class YAMLProblem(Exception):
    """The text is not YAML, or says a key twice."""


class _Loader(_Base):
    """CSafeLoader with upstream's idea of what a plain scalar is."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(_BOOL.pattern), list("yYnNtTfFoO"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"(?:<<)$"), ["<"])


def _construct_int(loader: Any, node: Any) -> Any:
    text = loader.construct_scalar(node).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return _as_json(sign * int(digits, 8))
    return _as_json(sign * int(digits, 0))


def _as_json(value: int) -> int | float:
    """Numbers beyond 64 bits are floats, as JSON readers have them."""
    return value if -(1 << 63) <= value < 1 << 64 else float(value)


def _construct_float(loader: Any, node: Any) -> Any:
    value = float(loader.construct_scalar(node).replace("_", "").replace(".inf", "inf").replace(".Inf", "inf").lower()
                  .replace(".nan", "nan"))  # fmt: skip
    return int(value) if math.isfinite(value) and value.is_integer() and abs(value) < 1e15 else value


def _construct_bool(loader: Any, node: Any) -> bool:
    return loader.construct_scalar(node).lower() in _TRUE


def _construct_text(loader: Any, node: Any) -> Any:
    return loader.construct_scalar(node)


def _construct_mapping(loader: Any, node: Any) -> dict[str, Any]:
    repeated = loader.repeated_keys
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = _key(loader.construct_object(key_node, deep=True)) if key_node.tag != "tag:yaml.org,2002:merge" else None
        if key is None:
            continue
        if key in seen and len(repeated) < _MOST_REPORTS:
            repeated.append(f'line {key_node.start_mark.line + 1}: key "{key}" already set in map')
        seen.add(key)
    loader.flatten_mapping(node)
    return {
        _key(loader.construct_object(key_node, deep=True)): loader.construct_object(value_node, deep=True)
        for key_node, value_node in node.value
    }


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str | int | float):
        return str(value)
    raise YAMLProblem(f"unsupported map key of type: {type(value).__name__}, key: {value!r}")


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)
_Loader.add_constructor("tag:yaml.org,2002:bool", _construct_bool)
_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _construct_text)
_Loader.add_constructor("tag:yaml.org,2002:binary", _construct_text)


def parse(body: bytes | str) -> tuple[Any, list[str]]:
    """The value of the first YAML document and what is said twice in it (``line 4: key "a" already set in map``).

    Raises YAMLProblem.
    """
    value = _as_json_text(body)
    if value is not None:
        return value, []
    try:
        text = body if isinstance(body, str) else body.decode("utf-8", "replace")
        loader: Any = _Loader(text)
    except yaml.YAMLError as error:
        raise YAMLProblem(_explain(error)) from None
    loader.repeated_keys = []
    try:
        value = loader.get_data() if loader.check_data() else None
    except (yaml.YAMLError, ConstructorError, ValueError) as error:
        raise YAMLProblem(_explain(error)) from None
    except RecursionError:
        raise YAMLProblem("exceeded max depth") from None
    finally:
        loader.dispose()
    if "&" in text and _expanded_size(value, {}) > _LARGEST_EXPANSION:
        raise YAMLProblem("yaml: document contains excessive aliasing")
    try:
        check_writable(value)
    except SyntaxProblem as problem:
        raise YAMLProblem(str(problem)) from None
    return value, loader.repeated_keys


def _as_json_text(body: bytes | str) -> Any:
    """The value of YAML that is JSON, as most clients write it: fifty times faster. None for all else."""
    if not isinstance(body, bytes) or not body.startswith(b"{"):
        return None
    try:
        value = parse_json(body)
    except SyntaxProblem:
        return None
    return None if may_repeat_fields(body, value) else value


def _expanded_size(value: Any, known: dict[int, int]) -> int:
    """How many values there are once every alias is written out: a few lines can stand for billions."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded_size(item, known) for item in items)
    return known[id(value)]


def _explain(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"yaml: line {mark.line + 1}: {problem}" if mark else f"yaml: {problem}"
