"""Stories of any length: the training of a retriever, and the index of a story."""
