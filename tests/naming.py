"""Names of classes and files that have broken pictures elsewhere."""

ODD = (
    "x",
    "a class with a name of sixty characters, which is far too long",
    "水仙",
    "$5 to $9",
    r"a$\foo$",
    "under_score_{brace}^",
    "שושנה",
    "<b>&amp;",
    "two\nlines",
    "\U0001f940 wilted",
)


def names(count: int) -> tuple[str, ...]:
    """So many different names, odd ones first."""
    return tuple(ODD[number] if number < len(ODD) else f"class {number} of many" for number in range(count))
