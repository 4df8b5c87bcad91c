"""Generate the API server's schema data from Kubernetes' published definitions: see README.md beside this file."""

from __future__ import annotations

import argparse
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).resolve().parents[1] / "apiserver" / "schema" / "data"

#: Folders of kubernetes/api whose kinds are served, or appear in requests.
API_PACKAGES = (
    "admission/v1", "admissionregistration/v1", "apps/v1", "authentication/v1", "authorization/v1", "autoscaling/v1",
    "autoscaling/v2", "batch/v1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1", "events/v1",
    "flowcontrol/v1", "networking/v1", "node/v1", "policy/v1", "rbac/v1", "resource/v1", "scheduling/v1",
    "scheduling/v1alpha3", "storage/v1", "storagemigration/v1",
)  # fmt: skip
MACHINERY_PACKAGES = ("pkg/apis/meta/v1", "pkg/types", "pkg/runtime", "pkg/api/resource", "pkg/util/intstr")

FIELD = re.compile(r"^\t(?:(?P<name>\w+)\s+)?(?P<type>[\w.*\[\]]+)\s+`(?P<tag>[^`]*)`")
NAMED = re.compile(r"^type (?P<name>[A-Z]\w*) (?P<type>struct \{|[\w.*\[\]]+)", re.MULTILINE)
IMPORT = re.compile(r'^\s+(?:(?P<alias>\w+) )?"(?P<path>k8s\.io/[^"]+)"', re.MULTILINE)
PROTO_FIELD = re.compile(
    r"^  (?:optional [\w.]+|repeated [\w.]+|map<\w+, [\w.]+>) (\w+) = (\d+)(?: \[.*\])?;", re.MULTILINE
)
PRIMITIVE = {"string", "bool", "int32", "int64", "uint32", "uint64", "float64", "float32", "byte", "int"}
#: Types whose wire forms are not those of their Go fields: the decoder knows them by name.
OPAQUE = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time", "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Duration", "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "io.k8s.apimachinery.pkg.api.resource.Quantity", "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "io.k8s.apimachinery.pkg.runtime.RawExtension", "io.k8s.apimachinery.pkg.runtime.Object",
    "io.k8s.apimachinery.pkg.runtime.Unknown",
}  # fmt: skip


def model_prefix(go_path: str) -> str:
    """``k8s.io/api/core/v1`` -> ``io.k8s.api.core.v1``: how OpenAPI spells a Go package."""
    return "io.k8s." + go_path.removeprefix("k8s.io/").replace("/", ".")


class Package:
    """The types of one Go package, as facts: fields, types, tags."""

    def __init__(self, folder: Path, go_path: str) -> None:
        self.prefix = model_prefix(go_path)
        self.types: dict[str, Any] = {}
        for path in sorted(folder.glob("*.go")):
            if not path.name.startswith("zz_") and not path.name.endswith(("_test.go", ".pb.go")):
                self._read(path.read_text())
        proto = folder / "generated.proto"
        self.proto = _proto_numbers(proto.read_text()) if proto.exists() else {}

    def _read(self, text: str) -> None:
        imports = {}
        for match in IMPORT.finditer(text):
            imports[match["alias"] or match["path"].rsplit("/", 1)[-1]] = model_prefix(match["path"])
        for match in NAMED.finditer(text):
            if match["type"] == "struct {":
                body = text[match.end() : text.index("\n}", match.end())]
                self.types[match["name"]] = list(self._fields(body, imports))
            elif match["type"] not in ("interface", "func"):
                self.types[match["name"]] = self._qualify(match["type"], imports)

    def _fields(self, body: str, imports: dict[str, str]) -> Iterator[list[Any]]:
        for line in body.splitlines():
            match = FIELD.match(line)
            if not match:
                continue
            json_tag = re.search(r'json:"([^"]*)"', match["tag"])
            proto_tag = re.search(r'protobuf:"\w+,(\d+)', match["tag"])
            if not json_tag or json_tag[1] == "-":
                continue
            name, *options = json_tag[1].split(",")
            flags = ("omitempty" in options) | ("omitzero" in options) << 1 | ("inline" in options or not name) << 2
            go_type = self._qualify(match["type"], imports)
            yield [name, go_type, int(flags), int(proto_tag[1]) if proto_tag else 0, {}]

    def _qualify(self, go_type: str, imports: dict[str, str]) -> str:
        def name(match: re.Match[str]) -> str:
            word = match[0]
            if word in PRIMITIVE or word == "map":
                return word
            package, dot, bare = word.rpartition(".")
            return f"{imports[package]}.{bare}" if dot and package in imports else f"{self.prefix}.{word}"

        return re.sub(r"\w+(?:\.\w+)?", name, go_type)


def _proto_numbers(text: str) -> dict[str, dict[str, int]]:
    messages: dict[str, dict[str, int]] = {}
    for match in re.finditer(r"^message (\w+) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        messages[match[1]] = {name: int(number) for name, number in PROTO_FIELD.findall(match[2])}
    return messages


def check_numbers(package: Package) -> None:
    """Every field number of the tags is that of the published .proto file."""
    for name, fields in package.types.items():
        published = package.proto.get(name)
        if published is None or isinstance(fields, str) or f"{package.prefix}.{name}" in OPAQUE:
            continue
        ours = {field[0] or field[1].rsplit(".", 1)[-1]: field[3] for field in fields if field[3]}
        lowered = {key.lower(): value for key, value in ours.items()}
        theirs = {key.lower(): value for key, value in published.items()}
        if lowered != theirs:
            print(f"{package.prefix}.{name}: tags and .proto differ: {sorted(lowered.items() ^ theirs.items())}")


EXTRAS = {
    "x-kubernetes-list-type": "listType",
    "x-kubernetes-list-map-keys": "keys",
    "x-kubernetes-map-type": "mapType",
    "x-kubernetes-patch-strategy": "patch",
    "x-kubernetes-patch-merge-key": "mergeKey",
}


def add_extras(types: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Put list types, keys and patch strategies of the definitions on the fields; return those of whole types."""
    whole: dict[str, Any] = {}
    for name, definition in definitions.items():
        found = {short: definition[key] for key, short in EXTRAS.items() if key in definition}
        if found and name in types:
            whole[name] = found
        fields = types.get(name)
        if not isinstance(fields, list):
            continue
        for field in fields:
            published = definition.get("properties", {}).get(field[0], {})
            field[4].update({short: published[key] for key, short in EXTRAS.items() if key in published})
    return whole


def read_defaults(api: Path, types: dict[str, Any]) -> None:
    """``+default=`` markers, which the published definitions lack: field -> default value."""
    for go_path in API_PACKAGES:
        prefix = model_prefix(f"k8s.io/api/{go_path}")
        for match in NAMED.finditer(text := (api / go_path / "types.go").read_text()):
            if match["type"] != "struct {":
                continue
            body = text[match.end() : text.index("\n}", match.end())]
            marker = r'// \+default=([^\n]+)\n(?:\t//[^\n]*\n)*\t\w+ [^\n]*?json:"(\w+)'
            for value, name in re.findall(marker, body):
                field = next(field for field in types[f"{prefix}.{match['name']}"] if field[0] == name)
                try:
                    field[4]["default"] = json.loads(value)
                except ValueError:
                    print(f"{prefix}.{match['name']}.{name}: default {value} is not JSON: left out")


def restore(schema: Any, properties: bool = False) -> Any:
    """The published OpenAPI form of a definition: without ``null`` types and enums of apiVersion and kind."""
    if isinstance(schema, list):
        return [restore(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        schema = schema | {"$ref": reference.replace("#/$defs/", "#/definitions/")}
    result = {key: restore(value, key == "properties") for key, value in schema.items()}
    if properties:
        for name in {"apiVersion", "kind"} & result.keys():
            result[name] = {key: value for key, value in result[name].items() if key != "enum"}
        return result
    if isinstance(result.get("type"), list):
        (result["type"],) = [name for name in result["type"] if name != "null"]
    return result


WHOLE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
}


def published_definitions(path: Path) -> dict[str, Any]:
    definitions = json.loads(path.read_text())["$defs"]
    restored = {name: restore(definition) for name, definition in definitions.items()}
    for name, form in WHOLE.items():
        kept = {key: value for key, value in definitions[name].items() if key == "description"}
        restored[name] = kept | form
    return restored


def references(value: Any) -> set[str]:
    """Names of types that a type refers to."""
    text = json.dumps(value)
    return set(re.findall(r"io\.k8s\.[\w.]+\w", text))


def reachable(types: dict[str, Any], roots: set[str]) -> set[str]:
    seen: set[str] = set()
    queue = sorted(roots)
    while queue:
        name = queue.pop()
        if name not in seen and name in types:
            seen.add(name)
            queue.extend(references(types[name]))
    return seen


def write(name: str, value: Any) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=False).encode()
    packed = gzip.compress(data, 9, mtime=0)
    (OUTPUT / name).write_bytes(packed)
    print(f"{name}: {len(data)} bytes, {len(packed)} packed")


def supplement(types: dict[str, Any], definitions: dict[str, Any]) -> None:
    """Fields and types of the definitions that the checkouts do not have yet; they have no protobuf number."""
    for name, fields in list(types.items()):
        if isinstance(fields, list) and name not in OPAQUE:
            published = definitions.get(name, {}).get("properties", {})
            extra = published.keys() - {field[0] for field in flat_fields(types, name)}
            fields += [_supplemented(field, published[field], types, definitions) for field in sorted(extra)]


def _supplemented(field: str, schema: dict[str, Any], types: dict[str, Any], definitions: dict[str, Any]) -> list[Any]:
    simple = {"string": "string", "boolean": "*bool", "integer": "*int64"}
    items = schema.get("items", {})
    reference = schema.get("$ref") or items.get("$ref")
    name = reference.rsplit("/", 1)[-1] if reference else simple[items.get("type") or schema["type"]]
    if reference and name not in types:
        nested = types[name] = []
        for inner, published in definitions[name].get("properties", {}).items():
            nested.append(_supplemented(inner, published, types, definitions))
    return [field, f"[]{name}" if items else f"*{name}" if reference else name, 1, 0, {}]


def report_differences(types: dict[str, Any], definitions: dict[str, Any], names: set[str]) -> None:
    """Fields that only one of the two sources knows: the checkouts are newer or older than the definitions."""
    for name in sorted(names):
        if name in OPAQUE or isinstance(types[name], str) or name not in definitions:
            continue
        ours = {field[0] for field in flat_fields(types, name)}
        theirs = set(definitions[name].get("properties", {}))
        if ours != theirs:
            print(f"{name}: only in the code {sorted(ours - theirs)}, only in OpenAPI {sorted(theirs - ours)}")


def flat_fields(types: dict[str, Any], name: str) -> Iterator[list[Any]]:
    for field in types[name]:
        if field[2] & 4:
            yield from flat_fields(types, field[1].lstrip("*"))
        else:
            yield field


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--definitions", type=Path, required=True)
    parser.add_argument("--api", type=Path, required=True)
    parser.add_argument("--apimachinery", type=Path, required=True)
    options = parser.parse_args()
    packages = [Package(options.api / path, f"k8s.io/api/{path}") for path in API_PACKAGES]
    packages += [Package(options.apimachinery / path, f"k8s.io/apimachinery/{path}") for path in MACHINERY_PACKAGES]
    types: dict[str, Any] = {}
    for package in packages:
        check_numbers(package)
        types |= {f"{package.prefix}.{name}": value for name, value in package.types.items()}
    definitions = published_definitions(options.definitions)
    supplement(types, definitions)
    whole = add_extras(types, definitions)
    read_defaults(options.api, types)
    kinds = {}
    for package in packages:
        for name in package.types:
            full = f"{package.prefix}.{name}"
            for gvk in definitions.get(full, {}).get("x-kubernetes-group-version-kind", ()):
                kinds[f"{gvk['group']}/{gvk['version']}/{gvk['kind']}"] = full
    wanted = {f"{p.prefix}.{name}" for p in packages[:-5] for name, value in p.types.items() if isinstance(value, list)}
    meta = packages[-5]
    wanted |= {f"{meta.prefix}.{name}" for name, value in meta.types.items() if isinstance(value, list)}
    names = reachable(types, wanted)
    missing = {name for kept in names for name in references(types[kept])} - names - OPAQUE
    print("not found:", sorted(missing))
    report_differences(types, definitions, names)
    kept = {name: None if name in OPAQUE else types[name] for name in sorted(names | OPAQUE)}
    for fields in kept.values():
        for field in fields if isinstance(fields, list) else ():
            while not field[-1]:
                field.pop()
    write("types.json.gz", {"types": kept, "whole": whole, "kinds": kinds})
    prefixes = tuple({f"{package.prefix}." for package in packages} | {"io.k8s.apimachinery."})
    roots = {name for name in definitions if name.startswith(prefixes)}
    write("openapi.json.gz", {name: definitions[name] for name in sorted(reachable(definitions, roots))})


if __name__ == "__main__":
    main()
