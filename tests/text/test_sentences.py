# ruff: noqa: RUF001
import pytest

from dmn_keras.text import join_sentences, split_sentences


@pytest.mark.parametrize(
    "text",
    [
        "Mary went home. | John stayed.\n | Why?",
        "one line\r\n\n | another line  \n",
        "3.5 apples cost $2.10 here. | Really?! | Yes",
        " \n \n",
        "Mr. Smith met Dr. J. R. Brown and Prof. Lee. | He left.",
        "(Mrs. Dalloway bought flowers.) | St. Ives is far.",
        "She lives in the U.S. now. | The U.S. Army is in the U.S. | It is big.",
        "Bring fruit, e.g. apples, i.e. food. | Meet at 3:45 p.m. on Monday.",
        "It was 5 p.m. | Ann left.",
        "He works at Smith Inc. in Rome. | Martin Jr. came, etc. | She saw.",
        "See no. 5 and Fig. 3 on p. 7. | No. | Five is odd.",
        "He came on Jan. 5. | Jan. | Mary left.",
        "It was I. | He ran.",
        "Well... I think so. | So\u2026 Why? | Well . . . No",
        "Read https://example.org/a.b?c=d!e and www.example.org. | Done",
        'He said "Go!" to me. | "Go!" he said. | He said "Go." | She went.',
        "(It rained.) | She\u2019d said \u201cno.\u201d | Then [he left.] | Ok",
        "\u201eGeh!\u201c | Er ging. | \u00bbKomm.\u00ab | \u201eNein!\u201c sagte sie. | Ok",
        "我走了\u3002\u3011 | 他来了。》 | 是",
        "राम गया। | सीता आई॥ | हाँ",
        "我走了。 | 他来了！ | \u201c真的？\u201d | 是．",
        "价格是３．５元． | ＯＫ",
        "هل جاء؟ | نعم جاء. | كتب۔ | Գնաց։ | Եկավ",
        "Émile Zola met É. Zola and E\u0301. Zola. | Ok",
        "Mary went.John stayed.",
    ],
)
def test_split_sentences(text):
    sentences = [sentence.strip() for sentence in text.split("|")]
    expected = [sentence for sentence in sentences if sentence]
    for gap in (" ", "  ", "\u00a0"):
        assert split_sentences(text.replace(" | ", gap)) == expected


@pytest.mark.parametrize(
    "sentences",
    [["Mary left. John stayed."], ["one\ntwo", "Mr.", "three"], ["a. b", "c? d"], ["only"]],
)
def test_joined_sentences_are_split_as_they_were(sentences):
    assert split_sentences(join_sentences(sentences)) == sentences


def test_a_separator_within_a_sentence_is_a_blank():
    assert split_sentences(join_sentences(["a\x1eb", "c"])) == ["a b", "c"]
