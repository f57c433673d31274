"""Leaderboards for papers."""

import subprocess

import pytest
from needed import program

from cpbench.reports.analysis.board import boards
from cpbench.reports.tables.latex import escape, to_latex
from synthetic import FORGETS, KEEPS, entry


def board():
    return boards(
        [entry(m, r, seed=k) for k in range(3) for m, r in (("a_b", KEEPS), ("dsc", FORGETS), ("c", FORGETS))]
    )


def large():
    """As many methods as the catalogue has, with intervals that have as many digits as there can be."""
    rows = [
        entry(f"vera-dsc-ewc-{m}", [[v * (30 + m + k) / 60 for v in r] for r in FORGETS], seed=k)
        for k in range(3)
        for m in range(24)
    ]
    return boards(rows, {"vera-dsc-ewc-11"})


def test_signs_that_latex_would_read_are_escaped():
    assert escape("50 % & a_b #1 {x} ~ ^ \\") == (
        r"50 \% \& a\_b \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape("MMD×10³ ↓ –") == r"MMD$\times 10^3$ $\downarrow$ --"


def test_the_best_is_bold_the_second_underlined_and_bounds_are_neither():
    text = to_latex(board())
    assert r"a\_b & 1 & \textbf{70.0} {\scriptsize (no spread)}" in text
    assert text.count(r"\underline{60.0} {\scriptsize (no spread)}") == 2, "equal values are both second"
    assert text.count(r"\midrule") == 2 and r"\toprule" in text
    ceiling = next(line for line in text.splitlines() if line.startswith("ceiling"))
    assert "textbf" not in ceiling


def test_hashes_are_in_a_comment_and_nothing_leaves_it():
    text = to_latex(boards([entry(backbone="tiny\n\\input{x}")]))
    comment = next(line for line in text.splitlines() if line.startswith("%"))
    assert "a" * 16 in comment and r"\input{x}" in comment
    assert not any("a" * 16 in line for line in text.splitlines() if not line.startswith("%"))


def test_upper_bounds_are_in_the_group_of_the_ceiling():
    text = to_latex(boards([entry(m, KEEPS, seed=k) for k in range(3) for m in ("dsc", "joint")], {"joint"}))
    assert text.index("dsc &") < text.rindex(r"\midrule") < text.index("upper bound: joint & --")


@pytest.mark.slow
def test_the_table_compiles(tmp_path):
    latex = program("pdflatex", package="texlive-latex-recommended")
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{to_latex([*board(), *large()])}\\end{{document}}\n")
    done = subprocess.run([latex, "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout and "Float too large" not in done.stdout
    assert (tmp_path / "t.pdf").stat().st_size > 10_000
