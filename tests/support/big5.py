"""Which characters Taiwan writes."""


def in_big5(char: str) -> bool:
    """Whether the charset of Taiwan has it: most characters that only the mainland writes are not in it."""
    try:
        return bool(char.encode("big5"))
    except UnicodeEncodeError:
        return False
