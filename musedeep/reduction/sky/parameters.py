"""Parameters on the sky that recipes share."""


def crsigma_of(text: str) -> tuple[float, float]:
    """Limits for cosmic rays in the image and in the spectrum, of one or two numbers; raises ValueError for others."""
    try:
        values = [float(word) for word in text.split(",") if word.strip()]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ValueError(f"crsigma={text} is not one or two numbers, as in 15.,15.")
    return values[0], values[-1]
