from informers.recent import Recent


def test_what_was_not_used_for_longest_is_forgotten_first() -> None:
    memory: Recent[str, int] = Recent(2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.get("a")
    memory.put("c", 3)

    assert [memory.get(key) for key in "abc"] == [1, None, 3]


def test_a_value_that_is_put_again_is_replaced_and_counts_once() -> None:
    memory: Recent[str, int] = Recent(2)
    memory.put("a", 1)
    memory.put("b", 2)
    memory.put("a", 3)

    assert [memory.get(key) for key in "ab"] == [3, 2]


def test_what_is_forgotten_is_gone() -> None:
    memory: Recent[str, int] = Recent(2)
    memory.put("a", 1)
    memory.forget("a")
    memory.forget("b")

    assert memory.get("a") is None
