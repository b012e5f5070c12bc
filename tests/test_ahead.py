"""Items that a thread makes while others are used."""

import threading

import pytest

from runtime.ahead import ahead


def test_all_items_come_in_order():
    assert list(ahead(range(100))) == list(range(100)) and list(ahead([], count=3)) == []


def test_the_next_item_is_made_while_one_is_used():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    coming = ahead(items())
    assert next(coming) == 1 and made.wait(10)  # nobody has asked for the second one yet
    assert list(coming) == [2]


def test_an_error_comes_when_it_is_its_turn():
    def items():
        yield 1
        raise ValueError("no more")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(ValueError, match="no more"):
        next(coming)


def test_no_thread_is_left_when_nobody_wants_more():
    before, endless = threading.active_count(), ahead(iter(int, 1))
    assert next(endless) == 0 and threading.active_count() == before + 1
    endless.close()
    assert threading.active_count() == before
