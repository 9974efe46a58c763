"""Raw text -> token ids."""

from dmn_keras.text.encoding import MAX_WORDS, assign_placeholders, num_cut, sentence_ids
from dmn_keras.text.reading import Sentence, read_sentences
from dmn_keras.text.sentences import join_sentences, split_sentences
from dmn_keras.text.tokenizer import lower, tokenize
from dmn_keras.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, SUPPRESSED_IDS, UNKNOWN_ID, Vocabulary

__all__ = [
    "END_ID",
    "MAX_WORDS",
    "PAD_ID",
    "SPECIAL_WORDS",
    "SUPPRESSED_IDS",
    "UNKNOWN_ID",
    "Sentence",
    "Vocabulary",
    "assign_placeholders",
    "join_sentences",
    "lower",
    "num_cut",
    "read_sentences",
    "sentence_ids",
    "split_sentences",
    "tokenize",
]
