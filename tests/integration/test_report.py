"""``auxseg report``: one page about any runs, complete in itself."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from .command import TINY, Outcome, auxseg


class Page(HTMLParser):
    """What a page is made of: headings, pictures, cells, and every address it names."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.pictures: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._open = ""
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open = tag
        given = dict(attrs)
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href", "srcset")]
        if tag == "img":
            name = re.search(r"\((\S+)\)$", given.get("alt") or "")
            self.pictures.append(name[1] if name else "")

    def handle_data(self, data: str) -> None:
        if self._open == "h2" and data.strip():
            self.titles.append(data)
        if self._open in ("td", "th", "b") and data.strip():
            self.cells.append(data.strip())


@pytest.fixture(scope="module")
def reported(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A report of a SegNet and an MTAN with every task, of two seeds."""
    folder = tmp_path_factory.mktemp("reported")
    for preset, seed in (("segnet-1task", 0), ("segnet-1task", 1), ("mtan-all", 0)):
        run = folder / f"{preset}-{seed}"
        options = (*TINY, "--epochs", "2", "--seed", str(seed))
        auxseg("train", preset, *options, "--out", run).succeeded()
        auxseg("evaluate", run).succeeded()
    runs = sorted(path for path in folder.iterdir())
    outcome = auxseg("report", *runs, "--out", folder / "page")
    return folder / "page", outcome.succeeded()


def test_the_page_is_complete_in_itself(reported: tuple[Path, Outcome]) -> None:
    page = Page(reported[0] / "report.html")
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not page.tags & {"script", "link", "iframe", "object", "video"}
    assert not re.findall(r"url\(|@import|http-equiv", page.text)


def test_every_section_and_figure_is_there(reported: tuple[Path, Outcome]) -> None:
    page = Page(reported[0] / "report.html")
    starts = [title.split(":")[0] for title in page.titles]
    assert starts == [
        "Table 1", "Classes", "Fig. 2", "Fig. 3", "Steps", "Fig. 4", "Attention", "Configuration",
    ]  # fmt: skip
    assert page.pictures == [
        "fig2-inputs", "fig3-iou", "fig3-losses", "step-losses", "fig4-predictions",
        "attention-1", "attention-2",
    ]  # fmt: skip
    written = {path.stem for path in (reported[0] / "figures").iterdir()}
    assert written == set(page.pictures)


def test_seeds_are_one_system(reported: tuple[Path, Outcome]) -> None:
    page = Page(reported[0] / "report.html")
    assert "2 systems on shapes" in page.text
    header = (reported[0] / "table1.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == ",segnet-1task,mtan-all"
    assert "0, 1" in page.cells
    assert any("±" in cell for cell in page.cells)


def test_tables_are_the_same_in_every_format(reported: tuple[Path, Outcome]) -> None:
    out = reported[0]
    page = Page(out / "report.html")
    rows = [line.split(",") for line in (out / "table1.csv").read_text().splitlines()]
    row = next(row for row in rows if row[0] == "average IoU")
    markdown = (out / "table1.md").read_text(encoding="utf-8")
    for cell in row[1:]:
        assert cell in page.cells
        assert cell in markdown
    assert r"\begin{tabular}{lrr}" in (out / "table1.tex").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_runs_that_were_not_tested_are_compared_on_validation(
    cache: Path, trained: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "metrics-test.json").unlink(missing_ok=True)
    auxseg("report", run, "--out", tmp_path / "page").succeeded()
    assert "validation images (not every run was tested)" in (
        tmp_path / "page" / "table1.md"
    ).read_text(encoding="utf-8")


def test_without_the_data_the_page_says_so(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    content = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    content["data"] |= {"name": "folder", "root": str(tmp_path / "gone"), "options": {}}
    content["data"]["split"] = "stratified"
    (run / "config.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    auxseg("report", run, "--out", tmp_path / "page").succeeded()
    page = Page(tmp_path / "page" / "report.html")
    assert str(tmp_path / "gone") in page.text
    assert page.pictures == ["fig3-iou", "fig3-losses", "step-losses"]


def test_a_folder_that_is_no_run_is_one_line(tmp_path: Path) -> None:
    auxseg("report", tmp_path, "--out", tmp_path / "page").failed(1, str(tmp_path), "not a run")
    auxseg("report", tmp_path / "x", "--out", tmp_path / "page").failed(1, "x", "not a run")


def test_an_unfinished_run_is_one_line(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "metrics-val.json").unlink()
    outcome = auxseg("report", run, "--out", tmp_path / "page")
    outcome.failed(1, str(run), "not finished", "--resume")
    assert not (tmp_path / "page").exists()
