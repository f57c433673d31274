"""Whether the tokenizer of a model can read the names, nouns and prompts of a suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import BadInput
from ..models.backbone import Backbone
from ..models.reader import Reader
from ..suite.concepts import training_captions
from ..suite.spec import Suite
from ..wording import shown


def check_words(suite: Suite, model: Backbone, remark: Callable[[str], None]) -> None:
    """Raise BadInput for a concept whose token exists already, and for a noun or prompt that has no meaning.

    ``remark`` is called with a sentence for each noun with a word that the model does not know.
    """
    for reader in model.readers:
        _check(suite, model.name, reader)
    for sentence in dict.fromkeys(s for reader in model.readers for s in _spelled_nouns(suite, model.name, reader)):
        remark(sentence)


def _check(suite: Suite, model: str, reader: Reader) -> None:
    known, ends = reader.tokenizer.get_vocab(), _ends(reader)
    for concept in suite.concepts:
        if f"<{concept.name}>" in known:
            raise BadInput(
                f"concept '{concept.name}': the token <{concept.name}> is already in the vocabulary of {model}; "
                "rename the concept."
            )
        pieces = reader.pieces(concept.noun)
        if not pieces or ends & set(pieces):
            raise BadInput(
                f"concept '{concept.name}': {model} cannot read the noun '{shown(concept.noun)}'; give an "
                "ordinary word."
            )
    prompts = suite.prompts
    captions = [text for concept in suite.concepts for text in training_captions(suite, concept)]
    for prompt in (prompts.train, *prompts.evaluation, *prompts.pairs, *prompts.prior, *captions):
        if ends & set(reader.pieces(prompt)):
            raise BadInput(
                f"the prompt '{shown(prompt)}' has a mark that ends or begins a text for {model}; remove it."
            )


def _spelled_nouns(suite: Suite, model: str, reader: Reader) -> Iterator[str]:
    for noun in dict.fromkeys(concept.noun for concept in suite.concepts):
        for word in noun.split():
            if (parts := len(reader.pieces(word))) > max(2, len(word) // 2):
                yield (
                    f"{model} does not know the word '{shown(word)}' of the noun '{shown(noun)}', and reads it as "
                    f"{parts} parts; a more common noun may give better pictures."
                )


def _ends(reader: Reader) -> set[int]:
    """The tokens that begin and end a text, one of which also stands for what is unknown."""
    t = reader.tokenizer
    return {token for token in (t.bos_token_id, t.eos_token_id, t.unk_token_id) if token is not None}
