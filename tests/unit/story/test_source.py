from __future__ import annotations

import codecs
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.errors import InvalidRequest
from services.story.source import decode

GERMAN = "Die Bären gehen über die Straße und hören Möwen. „Schön!“, sagte er – und schwieg."
FRENCH = "Il était une fois une fée très âgée, à l'orée du bois."
RUSSIAN = "Однажды в студёную зимнюю пору я из лесу вышел; был сильный мороз."
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("A boat.", "ascii"),
        (GERMAN, "utf-8"),
        (JAPANESE, "utf-8"),
        (RUSSIAN, "utf-8-sig"),
        (JAPANESE, "utf-16"),
        (RUSSIAN, "utf-32"),
        (GERMAN, "utf-16-le"),
        (GERMAN, "utf-16-be"),
        (FRENCH, "latin-1"),
        ("naïve façade", "latin-1"),
        ("Größe", "latin-1"),
        ("O coração não tem fronteiras, dizia a avó à beira do mar.", "latin-1"),
        ("Det var en gång en flicka som bodde på en ö i havet.", "latin-1"),
        (GERMAN, "cp1252"),
        ("It’s “quoted” — and that’s all there is to it, said Ann.", "cp1252"),
        ("El niño soñó con un pingüino que cantaba. ¿Qué pasó después?", "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy.", "cp1250"),
        ("Árvíztűrő tükörfúrógép, mondta az öreg.", "cp1250"),
        ("Zażółć gęślą jaźń, pisał poeta nocą.", "cp1250"),
        ("Μια φορά κι έναν καιρό ήταν ένας βασιλιάς.", "cp1253"),
        (JAPANESE, "shift-jis"),
        (JAPANESE, "euc-jp"),
        ("从前有一个小姑娘，她住在森林里。每天早上，她都去河边打水。", "gb18030"),
        ("從前有一個小姑娘，她住在森林裡。每天早上，她都去河邊打水。", "big5"),
        ("옛날 옛적에 호랑이 담배 피우던 시절에 한 나무꾼이 살았습니다.", "euc-kr"),
    ],
)
def test_common_encodings_are_recognised(text: str, encoding: str) -> None:
    """By their mark, by their form, or by what would make a text."""
    assert text == decode(text.encode(encoding))


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_byte_order_marks_are_believed_in_either_order(mark: bytes, encoding: str) -> None:
    """The mark says the order, and is no part of the text."""
    assert RUSSIAN == decode(mark + RUSSIAN.encode(encoding))


def test_a_few_damaged_bytes_do_not_make_utf8_anything_else() -> None:
    """A file that was cut off in the middle of a letter is still the text that it is."""
    assert GERMAN * 99 == decode((GERMAN * 99).encode() + "ß".encode()[:1]).removesuffix("\ufffd")


def test_line_ends_become_one_and_blanks_around_go() -> None:
    """Windows and old Macintosh lines read as any other."""
    assert "one\ntwo\nthree" == decode(b"\r\n one\r\ntwo\rthree\n\n")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (codecs.BOM_UTF8, "empty"),
        (bytes(range(32)) * 4, "binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "not a text"),
        (b"PK\x03\x04" + bytes(range(256)) * 2, "not a text"),
        (random.Random(1).randbytes(1 << 20), "not a text"),
        (codecs.BOM_UTF16_LE + b"\0\xd8", "not a text"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, why: str) -> None:
    """The answer names the field, the reason, and what to send instead."""
    with pytest.raises(InvalidRequest, match=why) as caught:
        decode(data)

    assert "story.source" == caught.value.violations[0][0]
    assert "send it as UTF-8" in caught.value.message


@given(st.binary(max_size=300) | st.text().map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_any_bytes_are_a_text_or_refused(data: bytes) -> None:
    """Nothing else can come of an upload, and every text can be stored as UTF-8."""
    try:
        text = decode(data)
    except InvalidRequest:
        return
    assert text
    assert text == decode(text.encode())
