"""Raw text -> token ids."""

from dmn_keras.text.encoding import MAX_WORDS, EncodedExample, Encoder, pad_ids, pad_sentences
from dmn_keras.text.reading import Sentence, read_sentences
from dmn_keras.text.tokenizer import lower, split_sentences, tokenize
from dmn_keras.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, UNKNOWN_ID, UNSAID_IDS, Vocabulary

__all__ = [
    "END_ID",
    "MAX_WORDS",
    "PAD_ID",
    "SPECIAL_WORDS",
    "UNKNOWN_ID",
    "UNSAID_IDS",
    "EncodedExample",
    "Encoder",
    "Sentence",
    "Vocabulary",
    "lower",
    "pad_ids",
    "pad_sentences",
    "read_sentences",
    "split_sentences",
    "tokenize",
]
