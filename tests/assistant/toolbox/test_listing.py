import re

from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox.listing import offered_names


def test_a_tool_that_is_named_like_the_hash_of_another_cannot_take_its_place() -> None:
    victim = ("s", "x" * 80)
    hashed = offered_names([victim])[victim]
    offered = offered_names([victim, ("s", hashed.removeprefix("s_"))])
    assert len(set(offered.values())) == 2


names = st.text(min_size=1, max_size=130)


@given(st.sets(st.tuples(names, names), max_size=30))
def test_offered_names_fit_every_provider_and_never_collide(pairs: set[tuple[str, str]]) -> None:
    offered = offered_names(sorted(pairs))
    assert len(set(offered.values())) == len(pairs)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in offered.values())


def test_the_same_parts_split_differently_get_different_names() -> None:
    offered = offered_names([("a", "b_c"), ("a_b", "c")])
    assert len(set(offered.values())) == 2
    assert offered == offered_names([("a_b", "c"), ("a", "b_c")])
