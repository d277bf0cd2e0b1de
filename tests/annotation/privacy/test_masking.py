"""Placeholders: the same for the same value, never one that the text has of its own."""

from annotation.privacy import Kind, Masker, find, mask_messages
from annotation.records import Message


def test_the_same_value_gets_the_same_placeholder_through_a_whole_dialog() -> None:
    masker = Masker()
    first, second = mask_messages(
        [
            Message(role="user", content="Write to ann@example.org, not to bo@example.org."),
            Message(role="assistant", content="ANN@example.org it is; call +49 30 901820."),
        ],
        masker,
    )
    assert first.content == "Write to [EMAIL_1], not to [EMAIL_2]."
    assert second.content == "[EMAIL_1] it is; call [PHONE_1]."
    assert masker.counts == {Kind.EMAIL: 3, Kind.PHONE: 1}


def test_masking_what_is_masked_changes_nothing() -> None:
    once = Masker().mask("ann@example.org and 4111 1111 1111 1111")
    masker = Masker()
    assert masker.mask(once) == once
    assert not masker.counts


def test_numbers_that_earlier_messages_used_are_not_given_out_again() -> None:
    masker = Masker(after=["You wrote [EMAIL_1] and [EMAIL_2]."])
    assert masker.mask("And bo@example.org?") == "And [EMAIL_3]?"
    assert Masker().mask("[EMAIL_7] is not bo@example.org") == "[EMAIL_7] is not [EMAIL_8]"


def test_nothing_of_the_original_is_left() -> None:
    text = "bo@example.org, 219-09-9999, DE89 3704 0044 0532 0130 00, 203.0.113.42"
    masked = Masker().mask(text)
    assert find(masked) == []
    assert masked == "[EMAIL_1], [US_SSN_1], [IBAN_1], [IP_1]"
