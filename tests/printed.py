"""What a document prints: its tables, its numbers, and which numbers stand together.

Claims pin numbers and leave sentences free: `missing` finds the paragraph that comes closest to having all of them;
the tests that list every number of a page find figures that nothing accounts for.
"""

import re


def table(text: str, header: str) -> list[list[str]]:
    """The cells of the first table of a Markdown text whose header row begins with `header`, row by row."""
    start = text.index(f"\n| {header}")
    lines = text[start:].strip().split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines[2:]]


def long_numbers(text: str) -> list[str]:
    """The whole numbers of at least four digits, without commas; years are not among them."""
    found = re.findall(r"\d+", re.sub(r"(?<=\d),(?=\d{3})", "", text))
    return [number for number in found if len(number) >= 4 and not re.fullmatch(r"19\d\d|20[012]\d", number)]


def codes(text: str) -> list[str]:
    """What stands in code type."""
    return re.findall(r"`([^`]+)`", text)


def percent(error: float, decimals: int = 1) -> str:
    """A share of one as the documents print it."""
    return f"{100 * error:.{decimals}f} %"


def percentages(text: str) -> set[str]:
    """Every percentage of a text."""
    return set(re.findall(r"(?<![\d.,])\d[\d.,]* %", " ".join(text.split())))


def paragraphs(text: str) -> list[str]:
    """Paragraphs, list items and rows of tables, each as one line."""
    parts = re.split(r"\n\s*\n|\n(?=\s*[-*] |\|)", text)
    return [" ".join(part.split()) for part in parts if part.strip()]


def missing(text: str, *figures: str) -> list[str]:
    """What no paragraph has of `figures` together: none when one paragraph has all, else what the nearest one lacks.

    A figure is found as a whole: 4.0 % is not in 14.0 %, nor 105 in 1,105.
    """

    def lacks(paragraph: str) -> list[str]:
        whole = (rf"(?<![\w.,]){re.escape(figure)}(?!\w|[.,]\d)" for figure in figures)
        return [figure for figure, pattern in zip(figures, whole, strict=True) if not re.search(pattern, paragraph)]

    return min(map(lacks, paragraphs(text)), key=len)
