"""Gateway privacy: what is found and what is not. All numbers are public test numbers or made to fail a check."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.gateway.privacy import prefilter as prefilter_module
from serving.gateway.privacy.config import ClientPrivacyConfig, NamesConfig, PrivacyConfig, RecogniserConfig, RuleConfig
from serving.gateway.privacy.load import BUILT_IN_KINDS, load_privacy
from serving.gateway.privacy.prefilter import prefilter
from serving.gateway.privacy.scanner import Lens, TooSlow

ENGINES = ["re2", "hyperscan"]
PEM = "-----BEGIN {0}PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEFAA==\n-----END {0}PRIVATE KEY-----"


class _Client:
    def __init__(self, privacy: ClientPrivacyConfig) -> None:
        self.privacy = privacy


def load(
    config: PrivacyConfig | None = None, engine: str = "hyperscan", client: ClientPrivacyConfig | None = None
) -> tuple[Any, list[str]]:
    problems: list[str] = []
    asking = {"c": _Client(client or ClientPrivacyConfig(mode="mask"))}
    return load_privacy("f: ", config or PrivacyConfig(), asking, problems, engine), problems


_LENSES: dict[str, Lens] = {}


def find(text: str, engine: str = "hyperscan", lens: Lens | None = None) -> list[tuple[str, str]]:
    if lens is None:
        if engine not in _LENSES:
            setup, problems = load(engine=engine)
            assert not problems
            _LENSES[engine] = Lens(setup.scanner, dict.fromkeys(setup.kinds, "mask"))
        lens = _LENSES[engine]
    # Among other texts, as in a request.
    suspects = lens.suspects("role\n" + text + "\nuser")
    found = lens.findings(text, suspects, time.perf_counter() + 60)
    return [(kind, text[start:end]) for start, end, kind in found]


FOUND = {
    "email": [
        "jane.doe@example.com",
        "o'neil+tag@sub.example.co.uk",
        "müller@exämple.de",
        "jane%40example.com",
        "x_y-z@xn--bcher-kva.example",
    ],
    "phone": [
        "+49 30 1234567",
        "+1 (212) 555-0123",
        "+442079460958",
        "+33 1 23 45 67 89",
        "0049 30 1234567",
        "(212) 555-0123",
        "212-555-0123",
        "1-800-555-0199",
        "030/1234567",
        "0171 1234567",
        "01 23 45 67 89",
        "020 7946 0958",
        "06-12345678",
    ],
    "card": [
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6200000000000005",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    ],
    "iban": [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "gb29nwbk60161331926819",
        "MT84MALT011000012345MTLCAST001S",
        "FR14 2004 1010 0505 0001 3M02 606",
        "NO93 8601 1117 947",
    ],
    "ip": ["192.0.2.17", "10.1.2.3", "2001:db8::1", "2001:0db8:85a3:0000:0000:8a2e:0370:7334", "::ffff:192.0.2.1"],
    "us_ssn": ["123-45-6789", "123 45 6789"],
    "de_steuer_id": ["86095742719", "65929970489", "47036892816", "47 036 892 816"],
    "uk_nino": ["AB123456C", "AB 12 34 56 C", "ab123456c"],
    "es_dni": ["12345678Z", "12.345.678-Z", "X1234567L", "x-1234567-l"],
    "fr_nir": ["184127645108946", "1 84 12 76 451 089 46"],
    "it_codice_fiscale": ["RSSMRA85T10A562S", "rssmra85t10a562s"],
    "nl_bsn": ["111222333", "123456782", "1112.22.333"],
    "pl_pesel": ["44051401359", "44051401458"],
    "secret": [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "ghp_" + "A1b2" * 9,
        "github_pat_" + "A1b2_" * 8,
        "glpat-" + "A1b2-" * 5,
        "xoxb-" + "123456789012-abcdef",
        "sk_" + "live_" + "A1b2" * 6,
        "sk-" + "proj-" + "A1b2" * 8,
        "AIza" + "A1b2_" * 7,
        "hf_" + "A1b2C" * 7,
        "npm_" + "A1b2" * 9,
        "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        PEM.format(""),
        PEM.format("RSA "),
        PEM.format("EC ").replace("\n", "\\n"),
        "dapi" + "0123456789abcdef" * 2,
    ],
}
NOT_FOUND = [
    "jane@example", "@app.route", "pkg@1.2.3", "a @ b.com",
    "2026-11-23 12:00:01", "01.02.2024 12:30", "2024-11-23T12:00:00.000Z", "1234567890", "00 12 34 56 78 90 12",
    "0.123456789012",
    "3.14159265358979", "1,234,567,890", "#include <a+12345678b>", "item 123456-7890",
    "4111111111111112", "1234567812345670", "0.4111111111111111", "4111111111111111.5",
    "41 11 2 3 44 5 6 7 8 9 11 22 33",
    "a4111111111111111b", "4111111111111111111111", "0000000000000000",
    "DE89370400440532013001", "XX89370400440532013000", "DE8937040044053201300", "DE89370400440532013000A",
    "127.0.0.1", "0.0.0.0", "1.2.3.4.5", "256.1.1.1", "v1.2.3.4", "::1", "::", "12:30:45", "std::vector",
    "a::b", "dec::add",
    "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "219-09-9999", "order 987654320",
    "86095742710", "11111111111", "12345678903",
    "QQ123456C", "GB123456C", "AB123456E", "12345678A", "X1234567A", "184127645108947", "RSSMRA85T10A562T",
    "111222334", "000000000", "44051401358", "44133101359",
    "sk-short", "AKIA123", "eyJub3Q", "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----", "bearer of news",
    "https://example.com/a:b@c", "The year 2024 had 366 days and 8,784 hours; 10 of 12 months.",
]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", BUILT_IN_KINDS)
def test_each_kind_is_found_alone_and_in_a_sentence(kind: str, engine: str) -> None:
    for value in FOUND[kind]:
        assert find(value, engine) == [(kind, value)]
        assert find(f"It is {value}, they said. (See “{value}”.)", engine) == [(kind, value)] * 2
        assert find(f'{{"a": "{value}"}}', engine) == [(kind, value)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_is_not_found(text: str, engine: str) -> None:
    assert find(text, engine) == []


def test_announced_numbers_and_contexts() -> None:
    assert find("phone: 612 345 678") == [("phone", "612 345 678")]
    assert find("my SSN is 123456789") == [("us_ssn", "123456789")]
    assert find("123456789") == []
    assert find("aws_secret_access_key = " + "A1b2/" * 8) == [("secret", "A1b2/" * 8)]
    assert find("Authorization: Bearer " + "abcDEF123._-" * 3) == [("secret", "abcDEF123._-" * 3)]
    assert find("postgres://app:hunter2hunter@db:5432/x") == [("secret", "hunter2hunter")]  # not-a-secret


def test_a_stray_number_does_not_hide_a_card() -> None:
    for text in ("12 4111 1111 1111 1111", "4000 4111 1111 1111 1111 123", "x4111111111111111", "No.4111111111111111"):
        assert [kind for kind, _ in find(text)] == ["card"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "text",
    [
        "４１１１１１１１１１１１１１１１",  # full-width digits
        "٤١١١١١١١١١١١١١١١",  # Arabic-Indic digits
        "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏",  # mathematical digits
        "4111\u00ad1111\u00ad1111\u00ad1111",  # soft hyphens
        "4111\u200d1111\u200b1111\ufeff1111",  # zero-width joiner, space, no-break space
        "4111\u00a01111\u202f1111\u20091111",  # no-break, narrow and thin spaces
        "4111\u20111111\u20131111\u22121111",  # non-breaking hyphen, en dash, minus
        "4\u03361\u03361\u03361\u0336111111111111",  # struck through
        "\\u0034111111111111111",  # a JSON escape inside a text
    ],
)
def test_forms_that_evade_normalisation(text: str, engine: str) -> None:
    assert find(text, engine) == [("card", text)]
    assert find(f"Zürich — {text} 🙂.", engine) == [("card", text)]


def test_other_folded_values() -> None:
    assert find("jane＠example．com") == [("email", "jane＠example．com")]
    assert find("ja\u00adne@exam\u200bple.com") == [("email", "ja\u00adne@exam\u200bple.com")]
    assert find("ＤＥ８９ 3704 0044 0532 0130 00")[0][0] == "iban"
    assert find('{"to": "jane\\u0040example.com"}') == [("email", "jane\\u0040example.com")]
    assert find('\\"a\\\\n4111111111111111') == [("card", "4111111111111111")]


def test_overlapping_findings_become_one_of_the_strictest() -> None:
    setup, _ = load()
    modes: dict[str, Any] = {"email": "tokenise", "secret": "block"}
    text = "https://user:hunter2@example.com/x"  # not-a-secret
    assert find(text, lens=Lens(setup.scanner, modes)) == [("secret", "hunter2@example.com")]


def test_kinds_are_switched_one_by_one() -> None:
    setup, _ = load()
    for kind in BUILT_IN_KINDS:
        others: dict[str, Any] = {name: "mask" for name in BUILT_IN_KINDS if name != kind}
        others[kind] = "off"
        only: dict[str, Any] = {kind: "mask"}
        for value in FOUND[kind]:
            assert find(value, lens=Lens(setup.scanner, only)) == [(kind, value)]
            assert kind not in {found for found, _ in find(value, lens=Lens(setup.scanner, others))}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=20), st.sampled_from([v for vs in FOUND.values() for v in vs]))).map("".join)
)
def test_both_engines_find_the_same_and_offsets_are_sane(text: str) -> None:
    found = find(text, "hyperscan")
    assert found == find(text, "re2")
    assert all(value for _, value in found)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0123456789-. ()+/@a:", max_size=200))
def test_the_prefilter_never_hides_a_finding(text: str) -> None:
    lens = _LENSES.get("hyperscan")
    if lens is None:
        find("")
        lens = _LENSES["hyperscan"]
    everyone = [lens._searchers[place] for places in lens._asked.values() for place in places]
    everyone = list(dict.fromkeys(everyone))
    order = {id(searcher): place for place, searcher in enumerate(lens._searchers)}
    everyone.sort(key=lambda searcher: order[id(searcher)])
    found = lens.findings(text, everyone, time.perf_counter() + 60)
    assert [(kind, text[start:end]) for start, end, kind in found] == find(text)


@pytest.mark.parametrize("engine", ENGINES)
def test_names_and_own_patterns(tmp_path: Path, engine: str) -> None:
    names = tmp_path / "names"
    names.write_text("Jane Doe\nMüller\nProject Nightjar\nDoe\n\n")
    exact = tmp_path / "exact"
    exact.write_text("Grace\n")
    config = PrivacyConfig(
        names={"staff": NamesConfig(file=str(names)), "given": NamesConfig(file=str(exact), ignore_case=False)},
        patterns={"ticket": r"\bTCK-\d{4,6}\b", "room": r"(?i)room (\d+)"},
    )
    setup, problems = load(config, engine)
    assert not problems
    lens = Lens(setup.scanner, dict.fromkeys(setup.kinds, "mask"))
    assert find("JANE  DOE and Müllers met müller, Doe", engine, lens) == [
        ("staff", "JANE  DOE"),
        ("staff", "müller"),
        ("staff", "Doe"),
    ]
    assert find("project nightjar, Grace under grace", engine, lens) == [
        ("staff", "project nightjar"),
        ("given", "Grace"),
    ]
    assert find("see TCK-12345 in ROOM 42", engine, lens) == [("ticket", "TCK-12345"), ("room", "42")]
    assert find("JANE DOE", engine, lens) == [("staff", "JANE DOE")]
    assert find("MÜLLER", engine, lens) == [("staff", "MÜLLER")]
    assert find("TCK-1 TCK-12345678 janedoe", engine, lens) == []


def test_a_reload_compiles_nothing_again() -> None:
    first, _ = load()
    again, _ = load()
    assert first.scanner.prefilter is again.scanner.prefilter
    assert prefilter(("a",)) is prefilter(("a",))


def test_without_hyperscan_the_engine_is_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefilter_module, "hyperscan", None)
    assert find("jane.doe@example.com", "re2") == [("email", "jane.doe@example.com")]


def test_the_time_limit_ends_a_scan() -> None:
    setup, _ = load()
    lens = Lens(setup.scanner, dict.fromkeys(setup.kinds, "mask"))
    text = "4111 1111 1111 1112 " * 500
    with pytest.raises(TooSlow):
        lens.findings(text, lens.suspects(text), time.perf_counter() - 1)
    with pytest.raises(TooSlow):
        lens.findings("nothing", lens.suspects(text), time.perf_counter() - 1)


@pytest.mark.parametrize(
    ("config", "client", "where", "found"),
    [
        (PrivacyConfig(patterns={"bad": "a(?=b)"}), None, "privacy.patterns.bad", "invalid perl operator"),
        (PrivacyConfig(patterns={"bad": "(a"}), None, "privacy.patterns.bad", "missing"),
        (PrivacyConfig(patterns={"empty": "a*"}), None, "privacy.patterns.empty", "matches the empty text"),
        (PrivacyConfig(patterns={"email": "a"}), None, "privacy", "the kind email"),
        (PrivacyConfig(patterns={"us__ssn": "a"}), None, "privacy", "the kind us__ssn"),
        (PrivacyConfig(patterns={"text": "a"}), None, "privacy", "the kind text"),
        (
            PrivacyConfig(names={"staff": NamesConfig(file="/does/not/exist")}),
            None,
            "names.staff.file",
            "FileNotFoundError",
        ),
        (PrivacyConfig(key_file="/does/not/exist"), None, "privacy.key_file", "FileNotFoundError"),
        (
            PrivacyConfig(recogniser=RecogniserConfig(url="ftp://x", kinds=("person",))),
            None,
            "recogniser.url",
            "something",
        ),
        (None, ClientPrivacyConfig(kinds={"emial": "mask"}), "clients.c.privacy.kinds", "1 other names (not shown)"),
        (
            None,
            ClientPrivacyConfig(boundaries={"cloud": RuleConfig(kinds={"x": "mask"})}),
            "clients.c.privacy.boundaries.cloud.kinds",
            "1 other names (not shown)",
        ),
    ],
)
def test_a_bad_configuration_is_refused_in_four_parts(
    config: PrivacyConfig | None, client: ClientPrivacyConfig | None, where: str, found: str
) -> None:
    setup, problems = load(config, client=client)
    assert setup is None
    assert len(problems) == 1
    assert problems[0].startswith("f: ")
    head, _, rest = problems[0].removeprefix("f: ").partition(": found ")
    assert where in head
    assert found in rest
    assert "; allowed is " in rest
