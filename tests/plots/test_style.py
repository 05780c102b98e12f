"""Style, sizes, legends, labels and files of figures."""

from pathlib import Path

import matplotlib
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, search
from matplotlib.figure import Figure

from lionheart_opt import plots
from lionheart_opt.errors import InputError
from lionheart_opt.plots import style


def test_the_check_sees_a_legend_outside_the_figure():
    figure, [[axes]] = style.new_figure(1, 1, 3.0, 2.0)
    axes.plot([1, 2], label="line")
    check_figure(figure)
    figure.set_layout_engine("none")
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    with pytest.raises(AssertionError):
        check_figure(figure)


def test_the_style_does_not_depend_on_the_users_and_leaves_it_alone():
    problem = made_up_problem()
    result = search("x", answer(problem, 1, 0.02), problem=problem)

    def picture() -> bytes:
        return plots.pareto(result)._repr_png_()

    usual = picture()
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "text.usetex": True}):
        before = dict(matplotlib.rcParams)
        assert picture() == usual
        assert dict(matplotlib.rcParams) == before
    assert usual.startswith(b"\x89PNG")


def test_fonts_are_embedded_as_truetype(tmp_path):
    problem = made_up_problem()
    figure = plots.pareto(search("x", answer(problem, 1, 0.02), problem=problem))
    with matplotlib.rc_context({"pdf.compression": 0}):
        figure.savefig(tmp_path / "x.pdf")
    assert b"/Type3" not in (tmp_path / "x.pdf").read_bytes()
    assert b"/FontFile2" in (tmp_path / "x.pdf").read_bytes()


@pytest.mark.parametrize("label", ODD_LABELS)
def test_labels_are_shown_as_they_are(label):
    _figure, [[axes]] = style.new_figure(1, 1, 3.0, 2.0)
    text = axes.text(0, 0, style.as_text(label, 1000))
    shown, kind = text._preprocess_math(text.get_text())
    assert (shown, kind) == (label.strip(), False)
    assert len(style.as_text(label)) <= 42


def test_long_labels_keep_their_ends_and_units_their_tails():
    assert style.as_text("abcdefghij", 5) == "ab…ij"
    assert style.as_text("a\nb") == "a b"
    assert style.unit_text("encoder.layer.11.query", 9) == "…11.query"


@pytest.mark.parametrize("count", [1, 4, 5, 20])
def test_strategies_share_a_panel_or_have_one_each(count):
    labels = [f"s{k}" for k in range(count)]
    figure, panels = style.new_panels(labels, "x", "y")
    assert [label for _, shown in panels for label in shown] == labels
    assert len(panels) == (1 if count <= style.MANY else count)
    assert figure.get_figwidth() == (style.COLUMN if count <= style.MANY else style.PAGE)


def test_a_legend_takes_the_columns_that_fit_and_adds_its_height():
    from matplotlib.lines import Line2D

    figure, _ = style.new_figure(1, 1, style.COLUMN, 2.0)
    style.legend_above(figure, [Line2D([], [], label=f"strategy number {k}") for k in range(9)])
    assert figure.get_figheight() > 2.3
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width
    check_figure(figure)


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(86_400.0, "1 day"), (172_800.0, "2 days"), (3_600.0, "1 hour"), (90.0, "90 s"), (0.0, "0 s")],
)
def test_times_read_like_a_persons(time_s, text):
    assert style.duration(time_s) == text


def test_files_are_pdf_and_png(tmp_path):
    figure, _ = style.new_figure(1, 1, 2.0, 2.0)
    paths = style.save(figure, tmp_path / "new", "name")
    assert [path.name for path in paths] == ["name.pdf", "name.png"]
    assert [path.read_bytes()[:4] for path in paths] == [b"%PDF", b"\x89PNG"]
    assert isinstance(figure, Figure)


@pytest.mark.parametrize(
    "label", ["[/x]", "$\\frac{$", "$x$", "\\$a$b$", "_hidden", "a_{b}^c", "<b>", "é漢", "%s{0}"]
)
def test_a_label_is_shown_letter_by_letter(label):
    from matplotlib.lines import Line2D

    figure, _ = style.new_figure(1, 1, style.COLUMN, 2.0)
    style.legend_above(figure, [Line2D([], [], label=style.as_text(label))])
    figure.draw_without_rendering()
    assert label in shown_text(figure)


def test_control_characters_are_escaped_in_labels():
    assert style.as_text("a\x1b[1m\u202eb") == "a\\x1b[1m\\u202eb"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    figure, _ = style.new_figure(1, 1, 2.0, 2.0)
    for folder in (tmp_path / "file", tmp_path / "file" / "new", Path("/proc/new")):
        with pytest.raises(InputError, match=r"file|/proc/new"):
            style.save(figure, folder, "name")


def test_embedded_fonts_hold_glyphs_only(tmp_path, monkeypatch):
    from fontTools import subset
    from matplotlib.backends import backend_pdf

    fonts = []
    embed = backend_pdf.FT2Font
    monkeypatch.setattr(
        backend_pdf, "FT2Font", lambda font, *given: fonts.append(font) or embed(font, *given)
    )
    before = subset.load_font
    figure, [[axes]] = style.new_figure(1, 1, 2.0, 2.0)
    axes.set_title("office, µs")
    style.save(figure, tmp_path, "name")
    assert subset.load_font is before
    assert fonts and not any(b"GSUB" in font.getvalue()[:400] for font in fonts)
