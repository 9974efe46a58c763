"""Settings of the Dynamic Memory Network."""

import dataclasses
from typing import Any, ClassVar

from dmn_keras.models.model_config import ModelConfig
from dmn_keras.utils.settings import Settings, setting

FEW_QUESTIONS = 500
"""Training questions below which facts are read by position, by default."""

SETTLED = ("memory.num_passes", "input.fact_encoder", "input.input_fusion")
"""Settings that may be left to the training data (`DMNConfig.settled`)."""


@dataclasses.dataclass(frozen=True)
class InputModuleConfig(Settings):
    """The input module, which turns words into facts.

    Attributes:
        fact_encoder: `"story"` (2015) for one word GRU over the whole story, `"sentence"` for one that starts anew
            with each sentence, `"position"` (2016) for position-weighted sums of word vectors, which need fewer
            questions; `None` for `"position"` with fewer than 500 training questions, else `"sentence"`.
        question_match: Size of what each word of the story learns of the question, `None` for nothing.
        lexical_links: How often facts are read again, with what the facts that share a word with them hold; `None` for
            twice with `fact_encoder="sentence"`, else not at all.
        link_mode: `"neighbours"` for the nearest facts before and after that share the word, `"chain"` for all of
            them; `"mentions"` for the states of the word in all of them and in the question (`MentionLinks`, with as
            many rounds as `lexical_links`), for long chains of facts whose order does not matter; `"ordered_mentions"`
            for the same with the order of the facts.
        input_fusion: Whether a bidirectional GRU over the facts follows (2016); `None` for yes where `fact_encoder` is
            `None` and becomes `"position"`.
    """

    fact_encoder: str | None = setting(None, choices=("story", "sentence", "position"))
    question_match: int | None = 32
    lexical_links: int | None = setting(None, low=0, high=1000)
    link_mode: str = setting("neighbours", choices=("neighbours", "chain", "mentions", "ordered_mentions"))
    input_fusion: bool | None = None

    @property
    def links_mentions(self) -> bool:
        """Whether the links are those of `MentionLinks`."""
        return self.link_mode in ("mentions", "ordered_mentions")

    @property
    def num_links(self) -> int:
        """How often facts are read again."""
        if self.lexical_links is None:
            return 2 if self.fact_encoder in (None, "sentence") else 0
        return self.lexical_links


@dataclasses.dataclass(frozen=True)
class EpisodicMemoryConfig(Settings):
    """The episodic memory: arguments of `dmn_keras.layers.EpisodicMemory`.

    Attributes:
        num_passes: Number of passes, the maximum with `learned_stop`; `None` for as many as the training part's
            questions have supporting facts (at least 2, at most 3), or 3 where it names none.
        gate: `"sigmoid"` or `"softmax"`.
        gate_features: `"dmn"` for the nine terms of 2015, `"dmn_plus"` for the four of 2016.
        gate_units: Width of the gate's hidden layer; `None` for `units`.
        episode: `"gated_gru"` (2015), `"attention_gru"` (2016) or `"soft_attention"`.
        memory_update: `"gru"` (2015) or `"relu"` (2016).
        tie_weights: Whether the passes share their weights.
        learned_stop: Whether the passes may end before `num_passes`.
        num_heads: Heads of a pass, each with gates and an episode of its own; the gates shown are their mean.
        layer_norm: Whether facts, question and memories are normalised.
        top_facts: How many facts a head attends to, those with the highest gates; `None` for all.
    """

    num_passes: int | None = setting(None, high=1000)
    gate: str = setting("softmax", choices=("sigmoid", "softmax"))
    gate_features: str = setting("dmn", choices=("dmn", "dmn_plus"))
    gate_units: int | None = None
    episode: str = setting("soft_attention", choices=("gated_gru", "attention_gru", "soft_attention"))
    memory_update: str = setting("relu", choices=("gru", "relu"))
    tie_weights: bool = True
    learned_stop: bool = False
    num_heads: int = setting(1, high=1000)
    layer_norm: bool = True
    top_facts: int | None = None


@dataclasses.dataclass(frozen=True)
class DMNConfig(ModelConfig):
    """Dynamic Memory Network (Kumar et al. 2015, arXiv:1506.07285; Xiong et al. 2016, arXiv:1603.01417).

    Attributes:
        units: Size of facts, question, episode and memory.
        embedding_dim: Size of a word vector; `None` for `units`, or the size of the vectors in `word_vectors`.
        embedding_scale: Word vectors start uniform between minus and plus this.
        train_word_vectors: Whether word vectors are trained; `False` freezes those that were found.
        dropout: Fraction of the entries of word vectors, facts and memory that training drops.
        l2: Weight of the L2 penalty on kernels.
        recompute: Whether training computes part of its loops' intermediate results again rather than keep them: less
            memory, for stories of thousands of facts.
        max_retrieved_facts: The most facts that the retriever selects for the memory passes, `None` for passes over
            all facts.
        retriever: `"sentence"` for one that gates each fact on its own and learns which sentences belong to a story
            that stands in a background text (dataset `babi_long`); `"chain"` for one that looks up facts in rounds,
            along shared words, and learns from the supporting facts that the data names.
        retriever_rounds: Rounds of `retriever="chain"`, at least as many as the longest chain of supporting facts.
        input: Settings of the input module.
        memory: Settings of the episodic memory.
    """

    family: ClassVar[str] = "dmn"

    units: int = 64
    embedding_dim: int | None = 32
    embedding_scale: float = 0.3
    train_word_vectors: bool = True
    dropout: float = setting(0.1, high=0.99)
    l2: float = 1e-5
    recompute: bool = False
    max_retrieved_facts: int | None = None
    retriever: str = setting("sentence", choices=("sentence", "chain"))
    retriever_rounds: int = setting(3, high=1000)
    input: InputModuleConfig = setting(InputModuleConfig())
    memory: EpisodicMemoryConfig = setting(EpisodicMemoryConfig())

    @property
    def num_passes(self) -> int | None:
        """Number of rows of the gates."""
        return self.memory.num_passes

    @property
    def gate(self) -> str:
        """What makes gates of logits."""
        return self.memory.gate

    @property
    def learned_stop(self) -> bool:
        """Whether the network has the output `stop`."""
        return self.memory.learned_stop

    def settled(self, num_questions: int, num_passes: int) -> "DMNConfig":
        """Return the settings with values for those that are left to the training data.

        Args:
            num_questions: Training questions; 0 where it is not known, which counts as many.
            num_passes: Passes that the supporting facts of these questions need.
        """
        changes: dict[str, Any] = {}
        if self.memory.num_passes is None:
            changes["num_passes"] = num_passes
        if self.input.fact_encoder is None:
            linked = self.input.lexical_links or self.input.link_mode != "neighbours"
            few = 0 < num_questions < FEW_QUESTIONS and not linked
            changes["fact_encoder"] = "position" if few else "sentence"
            if self.input.input_fusion is None:
                changes["input_fusion"] = few
        return self.replace(changes)
