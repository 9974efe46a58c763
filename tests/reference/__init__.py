"""NumPy loops of the equations, in float64, one story at a time. No Keras here.

Letters of the shapes: F facts, W words, D entries of a word vector or fact, U units, H hidden units of the gate, P
passes, V words of the vocabulary. The weights come as dicts whose keys are the papers' symbols.
"""
