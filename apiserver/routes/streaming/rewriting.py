"""Links in proxied pages, made to lead through the proxy again: a page that says ``/style.css`` means its own server.

Which attributes are links, and which links are the server's own: k8s.io/apimachinery pkg/util/proxy (``Transport``).
"""

from __future__ import annotations

import gzip
import html
import posixpath
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

#: Larger pages (packed or not) are passed on as they are.
LARGEST_PAGE = 8 << 20
_LINKS = MappingProxyType(
    {
        "a": ("href",), "applet": ("codebase",), "area": ("href",), "audio": ("src",), "base": ("href",),
        "blockquote": ("cite",), "body": ("background",), "button": ("formaction",), "command": ("icon",),
        "del": ("cite",), "embed": ("src",), "form": ("action",), "frame": ("longdesc", "src"), "head": ("profile",),
        "html": ("manifest",), "iframe": ("longdesc", "src"), "img": ("longdesc", "src", "usemap"),
        "input": ("src", "usemap", "formaction"), "ins": ("cite",), "link": ("href",),
        "object": ("classid", "codebase", "data", "usemap"), "q": ("cite",), "script": ("src",), "source": ("src",),
        "video": ("poster", "src"),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Links:
    """``prefix`` is the proxy's own path; ``hosts`` are the names of the server behind it: its address, and ours."""

    prefix: str
    hosts: tuple[str, str]

    def through(self, link: str) -> str:
        """The link as it must be for the client. Relative ones and those to other servers stay."""
        try:
            parts = urlsplit(link)
        except ValueError:
            return link
        if (parts.netloc and parts.netloc not in self.hosts) or not parts.path.startswith("/"):
            return link
        if parts.netloc != self.hosts[1]:
            parts = parts._replace(scheme="", netloc="")
        if not parts.path.startswith(self.prefix):
            slash = "/" if parts.path.endswith("/") else ""
            parts = parts._replace(path=posixpath.normpath(self.prefix + parts.path) + slash)
        return urlunsplit(parts)

    def page(self, body: bytes, encoding: str) -> bytes:
        """The page with its links led through. Unknown encodings, and what cannot be unpacked, stay as they are."""
        unpacked = _unpacked(body, encoding)
        if unpacked is None:
            return body
        text = unpacked.decode("utf-8", "surrogateescape")
        return _packed(_Page(text, self.through).rewritten().encode("utf-8", "surrogateescape"), encoding)


class _Page(HTMLParser):
    """Copies a page, but for the tags that have a link to change."""

    def __init__(self, text: str, through: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self._text, self._through = text, through
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._copied = 0
        self._pieces: list[str] = []

    def rewritten(self) -> str:
        """The whole page."""
        self.feed(self._text)
        return "".join([*self._pieces, self._text[self._copied :]])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs, ">")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag(tag, attrs, "/>")

    def _tag(self, tag: str, attrs: list[tuple[str, str | None]], end: str) -> None:
        links = _LINKS.get(tag, ())
        changed = [(name, self._through(value) if name in links and value else value) for name, value in attrs]
        raw = self.get_starttag_text()
        if changed == attrs or raw is None:
            return
        line, column = self.getpos()
        start = self._lines[line - 1] + column
        words = "".join(f' {name}="{html.escape(value or "")}"' for name, value in changed)
        self._pieces += [self._text[self._copied : start], f"<{tag}{words}{end}"]
        self._copied = start + len(raw)


def _unpacked(body: bytes, encoding: str) -> bytes | None:
    if not encoding:
        return body
    if encoding not in ("gzip", "deflate"):
        return None
    unpacker = zlib.decompressobj(31 if encoding == "gzip" else -15)
    try:
        unpacked = unpacker.decompress(body, LARGEST_PAGE)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _packed(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    if encoding == "deflate":
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(body) + packer.flush()
    return body
