"""Lists of addresses: whatever is allowed, every reader of URLs would open at an address of the list."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from serving.gateway.guardrails.addresses import AllowedAddresses, read_url

ALLOWED = AllowedAddresses(
    ["cdn.example.com", "*.img.example.com", "http://files.local:8080", "https://[2001:db8::1]", "10.0.0.5"]
)
ORIGINS = {
    ("https", "cdn.example.com", 443),
    ("http", "files.local", 8080),
    ("https", "2001:db8::1", 443),
    ("https", "10.0.0.5", 443),
}

# Pieces of which URLs are made that readers disagree about.
_PIECES = (
    *("https://", "http://", "HTTPS://", "https:", "https:/", "https:///", "//", "/", "\\", "\\\\", "@", "#", "?", ":"),
    *("cdn.example.com", "CDN.Example.Com", "evil.test", "a.img.example.com", "img.example.com", "files.local", "."),
    *("user:pass@", ":443", ":8080", ":80", ":0443", ":99999", "%2e", "%40", "%2f", "\t", "\n", " ", "\x00", "\u3002"),
    *("\u212a", "\u017f", "\uff0f", "\uff20", "\u2044", "\u00ad", "xn--", "..", "[", "]", "[2001:db8::1]", "10.0.0.5"),
    *(
        "0x0a.0.0.5",
        "167772165",
        "data:",
        "file:///",
        "javascript:",
        "a",
        "\u0441dn.example.com",
        ";",
        "&",
        "=",
        "\u200b",
    ),
)
urls = st.one_of(st.lists(st.sampled_from(_PIECES), max_size=8).map("".join), st.text(max_size=30))


def whatwg_host(url: str) -> str:
    """The host as browsers read it: they skip tabs and line ends, and take a back slash for a slash."""
    text = url.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None}).replace("\\", "/")
    rest = text.partition(":")[2].lstrip("/")
    for end in "/?#":
        rest = rest.partition(end)[0]
    return rest.rpartition("@")[2].lower()


@settings(max_examples=1500)
@given(urls)
@example("https://cdn.example.com")
@example("https://cdn.example.com:443/a?b#c")
@example("http://files.local:8080/")
@example("https://x.y.img.example.com/")
@example("https://[2001:db8::1]/")
def test_what_is_allowed_is_read_alike_by_everybody(url: str) -> None:
    if not ALLOWED.allows(url):
        return
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    assert (parts.scheme, host, port) in ORIGINS or (
        (parts.scheme, port) == ("https", 443) and host.endswith(".img.example.com")
    )
    assert parts.username is None
    assert (URL(url).host, URL(url).port) == (host, port)
    assert whatwg_host(url).removesuffix(f":{parts.port}") in (host, f"[{host}]")
    assert url.isascii()
    assert url.isprintable()


@settings(max_examples=500)
@given(st.sampled_from(["cdn.example.com", "b.img.example.com"]), st.text("abz09-._~/?#@:;=&%", max_size=30))
def test_no_good_address_is_refused_for_its_path(host: str, path: str) -> None:
    assert ALLOWED.allows(f"https://{host}/{path}")


@settings(max_examples=1000)
@given(urls)
def test_reading_never_fails_and_gives_a_plain_host(url: str) -> None:
    origin = read_url(url)
    if origin is not None:
        assert set(origin[1]) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-:[]")


@pytest.mark.parametrize(
    "url",
    [
        "https://\u212a.example.com/",
        "http\u017f://cdn.example.com/",
        "https://cdn.example.com\u3002/",
        "https://evil.img.example.com.test/",
        "https://.img.example.com/",
        "https://cdn.example.com:",
        "https://cdn.example.com/\\@evil.test",
        "http://a.img.example.com/",
        "https://a.img.example.com:8443/",
        "https://cdn.example.com:4430/",
        "data:image/png;base64,AAAA",
        "",
    ],
    ids=ascii,
)
def test_what_is_not_allowed(url: str) -> None:
    assert not ALLOWED.allows(url)


def test_data_has_an_entry_of_its_own() -> None:
    assert AllowedAddresses(["data:"]).allows("DATA:image/png;base64,AAAA")
    assert not AllowedAddresses(["data:"]).allows(" data:image/png;base64,AAAA")
    assert not AllowedAddresses([]).allows("data:,x")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "https://",
        "a b",
        "a/b",
        "https://a/",
        "ftp://a",
        "a@b",
        "a:b",
        "ä.example",
        "a\n",
        "*.*.a",
        "a.",
    ],
    ids=ascii,
)
def test_entries_that_are_none(entry: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        AllowedAddresses([entry])
