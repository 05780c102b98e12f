"""Tiny networks and tokenizers of Hugging Face's, saved into folders."""

from pathlib import Path
from typing import Any

import pytest

#: Words that the tokenizer knows, after its special tokens.
WORDS = "good bad film a the was very not who where is it in red green blue house tree".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "vocab_size": len(WORDS) + len(SPECIAL),
    "max_position_embeddings": 40,
}


def save_tokenizer(folder: Path, **changes: Any) -> None:
    """A tokenizer of whole words, as BERT's, with places of the tokens."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import TemplateProcessing

    numbers = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **{**names, "model_max_length": 40, **changes},
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)


def bert(kind: str, **settings: Any) -> Any:
    """A network such as `BertForMaskedLM`, with random weights."""
    transformers = pytest.importorskip("transformers")
    return seeded(
        lambda: getattr(transformers, kind)(
            transformers.BertConfig(**{**SIZES, **settings}, attn_implementation="eager")
        )
    )


def gpt2(**settings: Any) -> Any:
    """A small GPT-2, with random weights."""
    transformers = pytest.importorskip("transformers")
    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 40, "bos_token_id": 2}
    words = {"vocab_size": SIZES["vocab_size"], "eos_token_id": 3}
    return seeded(
        lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(**{**sizes, **words, **settings}, attn_implementation="eager")
        )
    )


def vit(**settings: Any) -> Any:
    """A small vision transformer for images of 3 x 16 x 16, with random weights."""
    transformers = pytest.importorskip("transformers")
    sizes = {key: SIZES[key] for key in list(SIZES)[:4]}
    return seeded(
        lambda: transformers.ViTForImageClassification(
            transformers.ViTConfig(
                **{**sizes, "image_size": 16, "patch_size": 8, **settings},
                attn_implementation="eager",
            )
        )
    )


def seeded(make: Any) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make().eval()


def save(network: Any, folder: Path, **tokenizer: Any) -> Path:
    """Save a network and a tokenizer for it."""
    network.save_pretrained(folder)
    save_tokenizer(folder, **tokenizer)
    return folder
