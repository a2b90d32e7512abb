"""What can be wrong with one value, in Korean and English, by pydantic's error types."""

from __future__ import annotations

from web.problems.catalogue import Language, Words

_FAULTS: dict[str, Words] = {
    "missing": Words("꼭 있어야 하는 값입니다.", "This value is required."),
    "string_type": Words("글자여야 합니다.", "This must be text."),
    "int_type": Words("정수여야 합니다.", "This must be a whole number."),
    "int_parsing": Words("정수여야 합니다.", "This must be a whole number."),
    "float_type": Words("숫자여야 합니다.", "This must be a number."),
    "bool_type": Words("true나 false여야 합니다.", "This must be true or false."),
    "bool_parsing": Words("true나 false여야 합니다.", "This must be true or false."),
    "list_type": Words("목록이어야 합니다.", "This must be a list."),
    "dict_type": Words("이름과 값의 묶음이어야 합니다.", "This must be an object."),
    "model_type": Words("이름과 값의 묶음이어야 합니다.", "This must be an object."),
    "model_attributes_type": Words("이름과 값의 묶음이어야 합니다.", "This must be an object."),
    "enum": Words("쓸 수 있는 값: {expected}.", "One of: {expected}."),
    "string_pattern_mismatch": Words(
        "정해진 모양({pattern})이 아닙니다.", "This does not have the form {pattern}."
    ),
    "string_too_long": Words("{max_length}자까지 쓸 수 있습니다.", "At most {max_length} characters."),
    "string_too_short": Words("{min_length}자 이상이어야 합니다.", "At least {min_length} character(s)."),
    "unkeepable_text": Words(
        "U+0000이나 짝 없는 서로게이트는 쓸 수 없습니다.",
        "Text may not contain U+0000 or half of a surrogate pair.",
    ),
    "too_long": Words("{max_length}개까지 쓸 수 있습니다.", "At most {max_length} items."),
    "greater_than_equal": Words("{ge} 이상이어야 합니다.", "This must be {ge} or more."),
    "less_than_equal": Words("{le} 이하여야 합니다.", "This must be {le} or less."),
}
_OTHER = Words("쓸 수 없는 값입니다.", "This value cannot be used.")


def fault_words(kind: str, context: dict[str, object], language: Language) -> str:
    """The sentence for one pydantic error type; `context` fills its placeholders."""
    try:
        return _FAULTS.get(kind, _OTHER).text(language).format_map(context)
    except KeyError:
        return _OTHER.text(language)
