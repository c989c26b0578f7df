"""Captions -> ids of the text encoder. No torch, so that worker processes start fast."""

from pathlib import Path

import numpy as np

ENCODER = Path(__file__).resolve().parent.parent / "models" / "default" / "text_encoder"
MAX_TOKENS = 64


class Tokens:
    """The tokenizer, truncating at MAX_TOKENS with [CLS] and [SEP]."""

    def __init__(self, folder=ENCODER):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def __call__(self, texts):
        return [e.ids for e in self.tokenizer.encode_batch(texts)]

    @staticmethod
    def pad(rows, length=None):
        """ids [n, length] int32, 0 after the end, and the number of tokens of each; length None: the longest. A longer row is
        cut."""
        length = length or max(map(len, rows))
        ids, counts = np.zeros((len(rows), length), np.int32), np.zeros(len(rows), np.int32)
        for i, row in enumerate(rows):
            if len(row) > length:
                row = row[: length - 1] + row[-1:]
            ids[i, : len(row)], counts[i] = row, len(row)
        return ids, counts

    def table(self, texts, length=None):
        return self.pad(self(texts), length)
