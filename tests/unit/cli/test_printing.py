"""Nothing that is stored can steer the terminal."""

import json

import pytest

from eventfold.cli.printing import json_line, print_json_array, print_table, visible

HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\rb\nc\td\x00e\x7f",
    "\u202egnp.exe",
    "\u2028\u200b\ufeff",
    "\U000e0041",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_obeyed_instead_of_printed_is_shown_escaped(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text) != text


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    text = "Überschuß 日本語 [bold]not markup[/bold] 🙂 \\"
    assert visible(text) == text


@pytest.mark.parametrize("text", [*HOSTILE, "plain", "Überschuß 日本語"])
def test_a_line_of_json_is_printable_and_means_the_same(text: str) -> None:
    line = json_line({"text": text, text: [1.5, None, True]})
    assert line.isprintable()
    assert json.loads(line) == {"text": text, text: [1.5, None, True]}


def test_cells_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        [("[red]name", "left"), ("n", "right")], [("[bold]x[/bold]", 1), ("[/nonsense]", None), ("a\x1b[2J", 2)]
    )
    out = capsys.readouterr().out
    assert "[red]name" in out
    assert "[bold]x[/bold]" in out
    assert "[/nonsense]" in out
    assert r"a\x1b[2J" in out
    assert "\x1b" not in out


def test_without_a_terminal_no_cell_is_cut_or_wrapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    print_table([("data", "left")], [("x" * 5_000,)])
    assert "x" * 5_000 in capsys.readouterr().out


@pytest.mark.parametrize("items", [[], [1], [{"a": 1}, {"b": [2]}]])
def test_an_array_is_one_json_value(items: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    print_json_array(items)
    assert json.loads(capsys.readouterr().out) == items
