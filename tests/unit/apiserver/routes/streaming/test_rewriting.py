"""Links of proxied pages."""

from __future__ import annotations

import gzip

import pytest

from apiserver.routes.streaming.rewriting import Links

PREFIX = "/api/v1/namespaces/n/services/web/proxy"
LINKS = Links(PREFIX, ("10.244.0.5:80", "localhost:8001"))


@pytest.mark.parametrize(
    ("link", "through"),
    [
        ("/style.css", f"{PREFIX}/style.css"),
        ("/sub/", f"{PREFIX}/sub/"),
        ("/a?b=c#d", f"{PREFIX}/a?b=c#d"),
        ("http://10.244.0.5:80/x", f"{PREFIX}/x"),
        ("http://localhost:8001/x", f"http://localhost:8001{PREFIX}/x"),
        (f"{PREFIX}/x", f"{PREFIX}/x"),
        ("style.css", "style.css"),
        ("https://example.org/x", "https://example.org/x"),
        ("http://[", "http://["),
        ("#here", "#here"),
    ],
)
def test_links(link: str, through: str) -> None:
    assert LINKS.through(link) == through


@pytest.mark.parametrize(
    ("page", "rewritten"),
    [
        ('<a href="/x">test</a>', f'<a href="{PREFIX}/x">test</a>'),
        ("text & <b>bold</b>\n<!-- <a href='/x'> -->", "text & <b>bold</b>\n<!-- <a href='/x'> -->"),
        ("<p>\r\n<IMG SRC=/a.png alt='é'>\n", f'<p>\r\n<img src="{PREFIX}/a.png" alt="é">\n'),
        ('<img src="/a" />', f'<img src="{PREFIX}/a"/>'),
        ('<a href="other">x', '<a href="other">x'),
        ("<script>if (a < b) go('/x')</script>", "<script>if (a < b) go('/x')</script>"),
        ('<a href="/x', '<a href="/x'),
        ("", ""),
    ],
)
def test_pages(page: str, rewritten: str) -> None:
    assert LINKS.page(page.encode(), "").decode() == rewritten


def test_bytes_that_are_no_text_survive() -> None:
    assert LINKS.page(b'\xff\xfe<a href="/x">\x80', "") == b'\xff\xfe<a href="' + PREFIX.encode() + b'/x">\x80'


def test_packed_pages_are_unpacked_and_packed_again() -> None:
    page = LINKS.page(gzip.compress(b'<a href="/x">'), "gzip")
    assert gzip.decompress(page) == f'<a href="{PREFIX}/x">'.encode()


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_what_cannot_be_unpacked_stays(encoding: str) -> None:
    assert LINKS.page(b'<a href="/x">', encoding) == b'<a href="/x">'
