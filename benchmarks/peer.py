"""DMN+ in PyTorch as it is usually written: a Python loop over the facts in every pass.

A yardstick that runs beside ours on the same machine. Sizes and equations are those of Xiong et al. 2016; the layout
is that of the public implementations: `nn.GRU` for question and input fusion, an attention GRU of four `nn.Linear` that
is called once a fact and pass, autograd through all of it.
"""

import torch
from torch import nn


class PeerDMNPlus(nn.Module):
    """Facts by position encoding and a bidirectional GRU, attention GRU passes, untied ReLU updates, one-word answers.

    Args:
        vocabulary: Number of token ids.
        units: Size of word vectors, facts, question and memory.
        passes: Passes over the facts.
    """

    def __init__(self, vocabulary, units, passes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, units, padding_idx=0)
        self.question_gru = nn.GRU(units, units, batch_first=True)
        self.fusion = nn.GRU(units, units, batch_first=True, bidirectional=True)
        self.passes = nn.ModuleList(_Pass(units) for _ in range(passes))
        self.answer = nn.Linear(2 * units, vocabulary)

    def forward(self, story, question):
        """Return answer logits `(batch, vocabulary)` for ids `(batch, facts, words)` and `(batch, words)`."""
        words = self.embedding(story)
        facts, _ = self.fusion((_position_weights(*words.shape[2:]) * words).sum(dim=2))
        facts = facts[..., : facts.shape[-1] // 2] + facts[..., facts.shape[-1] // 2 :]
        _, question = self.question_gru(self.embedding(question))
        question = question[0]
        memory = question
        for each in self.passes:
            memory = each(facts, question, memory)
        return self.answer(torch.cat([memory, question], dim=1))


class _Pass(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.hidden, self.logit = nn.Linear(4 * units, units), nn.Linear(units, 1)
        self.reset_fact, self.reset_state = nn.Linear(units, units), nn.Linear(units, units)
        self.new_fact, self.new_state = nn.Linear(units, units), nn.Linear(units, units)
        self.update = nn.Linear(3 * units, units)

    def forward(self, facts, question, memory):
        q, m = question[:, None, :], memory[:, None, :]
        z = torch.cat([facts * q, facts * m, (facts - q).abs(), (facts - m).abs()], dim=2)
        gates = torch.softmax(self.logit(torch.tanh(self.hidden(z)))[..., 0], dim=1)
        state = torch.zeros_like(question)
        for t in range(facts.shape[1]):
            fact, gate = facts[:, t], gates[:, t, None]
            reset = torch.sigmoid(self.reset_fact(fact) + self.reset_state(state))
            new = torch.tanh(self.new_fact(fact) + reset * self.new_state(state))
            state = gate * new + (1 - gate) * state
        return torch.relu(self.update(torch.cat([memory, state, question], dim=1)))


def _position_weights(num_words, dim):
    j = torch.arange(1, num_words + 1)[:, None] / num_words
    d = torch.arange(1, dim + 1)[None, :] / dim
    return (1 - j) - d * (1 - 2 * j)


def training_step(settings, facts):
    """Return a function that makes one training step of the peer on random stories, with Adam, on one thread.

    Args:
        settings: Dict of `"batch"`, `"words"`, `"question_words"`, `"units"`, `"passes"` and `"vocabulary"`.
        facts: Facts a story.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = PeerDMNPlus(settings["vocabulary"], settings["units"], settings["passes"])

    def ids(*shape):
        return torch.randint(1, settings["vocabulary"], (settings["batch"], *shape))

    story, question, answer = ids(facts, settings["words"]), ids(settings["question_words"]), ids()
    return adam_step(model, lambda: nn.functional.cross_entropy(model(story, question), answer))


def adam_step(model, loss_of_batch, learning_rate=1e-3):
    """Return a function that makes one training step of a PyTorch model with Adam, and returns the loss before it."""
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)

    def step():
        optimizer.zero_grad()
        loss = loss_of_batch()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
