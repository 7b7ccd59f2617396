"""One rule for all that is found by dotted class names: the most derived class first, then the longest name."""

from __future__ import annotations

from collections import Counter, OrderedDict

from fastexplain.models.class_registry import ClassRegistry, class_names


class Special(OrderedDict):  # type: ignore[type-arg]
    pass


def test_exact_name_and_prefix() -> None:
    registry = ClassRegistry({"collections.OrderedDict": 1, "builtins.": 2})
    assert registry.find(OrderedDict()) == 1
    assert registry.find({}) == 2
    assert ClassRegistry({"collections.Ordered": 1}).find(OrderedDict()) is None  # no prefix without its dot


def test_most_derived_class_wins_over_a_longer_name() -> None:
    registry = ClassRegistry({f"{__name__}.": "mine", "collections.OrderedDict": "ordered"})
    assert registry.find(Special()) == "mine"
    assert [match.value for match in registry.matches(Special())] == ["mine", "ordered"]


def test_longest_name_wins_within_a_class_whatever_the_order() -> None:
    for names in (["collections.", "collections.OrderedDict"], ["collections.OrderedDict", "collections."]):
        registry: ClassRegistry[str] = ClassRegistry()
        for name in names:
            registry.register(name, name)
        assert registry.find(OrderedDict()) == "collections.OrderedDict"
        assert registry.find(Counter()) == "collections."


def test_matches_of_two_registries_compare() -> None:
    broad, narrow = ClassRegistry({"builtins.dict": 1}), ClassRegistry({f"{__name__}.": 2})
    first, second = narrow.match(Special()), broad.match(Special())
    assert first is not None
    assert second is not None
    assert first.goes_before(second)
    assert not second.goes_before(first)
    assert first.goes_before(None)


def test_class_names_begin_with_the_models_own() -> None:
    assert class_names(Special())[:2] == [f"{__name__}.Special", "collections.OrderedDict"]
