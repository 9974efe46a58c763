"""Token ids -> facts -> gates -> episode -> memory -> answer: the layers, one public class a file."""

from dmn_keras.gpu import disable_triton_gemm
from dmn_keras.layers.answer_decoder import AnswerDecoder
from dmn_keras.layers.attention_gate import DMN_FEATURES, DMN_PLUS_FEATURES, AttentionGate
from dmn_keras.layers.attention_gru import AttentionGRU
from dmn_keras.layers.attention_gru_cell import AttentionGRUCell
from dmn_keras.layers.chain_retriever import ChainRetriever
from dmn_keras.layers.character_encoder import CharacterEncoder
from dmn_keras.layers.context_windows import ContextWindows
from dmn_keras.layers.dnc_cell import DNCCell
from dmn_keras.layers.dynamic_ntm_cell import DynamicNTMCell
from dmn_keras.layers.episodic_memory import EpisodicMemory
from dmn_keras.layers.fact_encoder import FactEncoder
from dmn_keras.layers.fact_retriever import FactRetriever
from dmn_keras.layers.image_regions import ImageRegions
from dmn_keras.layers.input_fusion import InputFusion
from dmn_keras.layers.last_state import LastState
from dmn_keras.layers.learned_question import LearnedQuestion
from dmn_keras.layers.lexical_links import LexicalLinks
from dmn_keras.layers.list_rnn_cell import ListRNNCell
from dmn_keras.layers.memory_hop import MemoryHop
from dmn_keras.layers.memory_rnn import MemoryRNN
from dmn_keras.layers.memory_update import MemoryUpdate
from dmn_keras.layers.mention_links import MentionLinks
from dmn_keras.layers.ntm_cell import NTMCell
from dmn_keras.layers.position_encoding import PositionEncoding
from dmn_keras.layers.question_match import QuestionMatch
from dmn_keras.layers.recorder import record_memory
from dmn_keras.layers.scatter_gates import ScatterGates
from dmn_keras.layers.shared_facts_memory import SharedFactsMemory
from dmn_keras.layers.stack_rnn_cell import StackRNNCell
from dmn_keras.layers.temporal_position import TemporalPosition
from dmn_keras.layers.word_dropout import WordDropout

disable_triton_gemm()

__all__ = [
    "DMN_FEATURES",
    "DMN_PLUS_FEATURES",
    "AnswerDecoder",
    "AttentionGRU",
    "AttentionGRUCell",
    "AttentionGate",
    "ChainRetriever",
    "CharacterEncoder",
    "ContextWindows",
    "DNCCell",
    "DynamicNTMCell",
    "EpisodicMemory",
    "FactEncoder",
    "FactRetriever",
    "ImageRegions",
    "InputFusion",
    "LastState",
    "LearnedQuestion",
    "LexicalLinks",
    "ListRNNCell",
    "MemoryHop",
    "MemoryRNN",
    "MemoryUpdate",
    "MentionLinks",
    "NTMCell",
    "PositionEncoding",
    "QuestionMatch",
    "ScatterGates",
    "SharedFactsMemory",
    "StackRNNCell",
    "TemporalPosition",
    "WordDropout",
    "record_memory",
]
