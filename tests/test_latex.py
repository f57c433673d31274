"""Leaderboards for papers."""

import subprocess

import pytest
from needed import program

from cpbench.reports.latex import escape, to_latex
from cpbench.reports.tidy import boards
from synthetic import FORGETS, KEEPS, entry


def board():
    return boards(
        [entry(m, r, seed=k) for k in range(3) for m, r in (("a_b", KEEPS), ("dsc", FORGETS), ("c", FORGETS))]
    )


def test_signs_that_latex_would_read_are_escaped():
    assert escape("50 % & a_b #1 {x} ~ ^ \\") == (
        r"50 \% \& a\_b \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )
    assert escape("MMD×10³ ↓ –") == r"MMD$\times 10^3$ $\downarrow$ --"


def test_the_best_is_bold_the_second_underlined_and_bounds_are_neither():
    text = to_latex(board())
    assert r"a\_b & \textbf{70.0 [70.0, 70.0]}" in text
    assert r"\underline{60.0 [60.0, 60.0]}" in text
    assert text.count(r"\midrule") == 2 and r"\toprule" in text
    ceiling = next(line for line in text.splitlines() if line.startswith("ceiling"))
    assert "textbf" not in ceiling


@pytest.mark.slow
def test_the_table_compiles(tmp_path):
    latex = program("pdflatex", package="texlive-latex-recommended")
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs,graphicx}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{to_latex(board())}\\end{{document}}\n")
    done = subprocess.run([latex, "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").stat().st_size > 10_000
