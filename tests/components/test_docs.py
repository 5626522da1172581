"""The links in the documents: they are found, followed, and laid out for the site."""

import subprocess
from pathlib import Path

import pytest

from tools.docs.links import anchors, faults, links
from tools.docs.stage import stage


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    command = ["git", "init", "-q", str(tmp_path)]
    subprocess.run(command, check=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A page\n\n## Two words, (here)\n")
    (tmp_path / "code.py").write_text("pass\n")
    (tmp_path / "bare").mkdir()
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "README.md").write_text(text)


def test_links_to_files_folders_and_headings_are_followed(checkout: Path):
    write(
        checkout,
        "# Top\n[a](docs/a.md#two-words-here) [b](code.py) [c](bare) [d](#top) [e](https://x.example)",
    )
    assert faults(checkout) == []


@pytest.mark.parametrize(
    ("link", "fault"),
    [
        ("docs/b.md", "no file docs/b.md"),
        ("docs/a.md#three", "no heading #three in docs/a.md"),
        ("#nowhere", "no heading #nowhere in README.md"),
        ("../outside.md", "no file ../outside.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named_with_its_line(checkout: Path, link: str, fault: str):
    write(checkout, f"# Top\n\n[there]({link})\n")
    assert faults(checkout) == [f"README.md:3: {fault}"]


def test_links_in_code_are_ignored():
    text = "`[a](b)` and\n```sh\n[c](d)\n```\n[e](f)"
    assert [(link.line, link.path) for link in links(Path("x.md"), text)] == [(5, "f")]


def test_equal_headings_get_numbers():
    assert anchors("# One `two`\n# One two\n```\n# no heading\n```\n") == {"one-two", "one-two-1"}


def test_the_site_gets_what_pages_link_to_and_no_folder_links(checkout: Path):
    write(checkout, "[a](docs/a.md) [b](code.py) [c](bare)\n")
    folder = checkout / "site"
    assert stage(checkout, folder) == [folder / "README.md", folder / "docs" / "a.md"]
    assert (folder / "code.py").exists()
    assert (folder / "README.md").read_text() == "[a](docs/a.md) [b](code.py) c\n"
