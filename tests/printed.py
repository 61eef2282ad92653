"""What a document prints: its tables and its numbers."""

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
