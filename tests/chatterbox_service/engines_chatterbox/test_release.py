"""That the pinned release is what our code was written against: read from its wheel, not imported.

Put the wheel there with `pip download --no-deps chatterbox-tts==0.1.7 -d var/wheels`, or name it in
CHATTERBOX_WHEEL.
"""

from __future__ import annotations

import ast
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from chatterbox_service.engines.chatterbox.facts import (
    ALIGNED_HEADS,
    LANGUAGES,
    MOST_TOKENS,
    MULTILINGUAL_TEXT_TOKENS,
    RELEASE,
    RELEASES,
    SAMPLE_RATE,
    SILENCE_TOKEN,
    SPEECH_TOKENS,
    Edition,
)

_NAME = f"chatterbox_tts-{RELEASE}-py3-none-any.whl"
_CLASSES = {
    Edition.MULTILINGUAL: ("mtl_tts.py", "ChatterboxMultilingualTTS"),
    Edition.ENGLISH: ("tts.py", "ChatterboxTTS"),
    Edition.TURBO: ("tts_turbo.py", "ChatterboxTurboTTS"),
}
_GENERATE: dict[Edition, dict[str, Any]] = {
    Edition.MULTILINGUAL: {
        "audio_prompt_path": None,
        "exaggeration": 0.5,
        "cfg_weight": 0.5,
        "temperature": 0.8,
        "repetition_penalty": 2.0,
        "min_p": 0.05,
        "top_p": 1.0,
    },
    Edition.ENGLISH: {
        "repetition_penalty": 1.2,
        "min_p": 0.05,
        "top_p": 1.0,
        "audio_prompt_path": None,
        "exaggeration": 0.5,
        "cfg_weight": 0.5,
        "temperature": 0.8,
    },
    Edition.TURBO: {
        "repetition_penalty": 1.2,
        "min_p": 0.0,
        "top_p": 0.95,
        "audio_prompt_path": None,
        "exaggeration": 0.0,
        "cfg_weight": 0.0,
        "temperature": 0.8,
        "top_k": 1000,
        "norm_loudness": True,
    },
}


@pytest.fixture(scope="module")
def release() -> zipfile.Path:
    root = Path(__file__).parents[3]
    wheel = Path(os.environ.get("CHATTERBOX_WHEEL", root / "var" / "wheels" / _NAME))
    if not wheel.is_file():
        pytest.skip(f"{_NAME} is not at hand: see this file's first lines")
    return zipfile.Path(zipfile.ZipFile(wheel))


def _source(release: zipfile.Path, path: str) -> str:
    return (release / "chatterbox" / path).read_text(encoding="utf-8")


def _class(release: zipfile.Path, path: str, name: str) -> ast.ClassDef:
    body = ast.parse(_source(release, path)).body
    return next(node for node in body if isinstance(node, ast.ClassDef) and node.name == name)


def _method(kind: ast.ClassDef, name: str) -> ast.FunctionDef:
    return next(n for n in kind.body if isinstance(n, ast.FunctionDef) and n.name == name)


def _defaults(function: ast.FunctionDef) -> dict[str, Any]:
    names = [argument.arg for argument in function.args.args]
    values = [ast.literal_eval(value) for value in function.args.defaults]
    return dict(zip(names[-len(values) :], values, strict=True))


def _assigned(release: zipfile.Path, path: str, name: str) -> Any:
    for node in ast.walk(ast.parse(_source(release, path))):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        found = getattr(target, "id", getattr(target, "attr", ""))
        if found == name:
            return _value(node.value)
    raise AssertionError(f"{name} is not assigned in {path}")


def _value(node: ast.expr) -> Any:
    """Of a literal, or of one handed to `dict(...)` by keyword."""
    if isinstance(node, ast.Call):
        return {k.arg: _value(k.value) for k in node.keywords}
    return ast.literal_eval(node)


@pytest.mark.parametrize("edition", list(Edition))
def test_the_classes_and_what_generate_takes(release: zipfile.Path, edition: Edition) -> None:
    path, name = _CLASSES[edition]
    kind = _class(release, path, name)
    generate = _method(kind, "generate")
    assert _defaults(generate) == _GENERATE[edition]
    assert generate.args.args[1].arg == "text"
    assert RELEASES[edition].name == name
    assert RELEASES[edition].module == "chatterbox." + path.removesuffix(".py")
    local = [argument.arg for argument in _method(kind, "from_local").args.args]
    assert local == ["cls", "ckpt_dir", "device"]
    prepare = [argument.arg for argument in _method(kind, "prepare_conditionals").args.args]
    assert prepare[:3] == ["self", "wav_fpath", "exaggeration"]


@pytest.mark.parametrize("edition", list(Edition))
def test_how_an_edition_samples(release: zipfile.Path, edition: Edition) -> None:
    path, name = _CLASSES[edition]
    said = _defaults(_method(_class(release, path, name), "generate"))
    rules = RELEASES[edition].sampling
    assert rules.repetition_penalty == said["repetition_penalty"]
    assert rules.top_p == said["top_p"]
    assert rules.top_k == said.get("top_k", 0)
    assert rules.min_p == said["min_p"]


@pytest.mark.parametrize("edition", list(Edition))
def test_the_files_an_edition_is_loaded_from(release: zipfile.Path, edition: Edition) -> None:
    path, name = _CLASSES[edition]
    local = ast.unparse(_method(_class(release, path, name), "from_local"))
    for weights in RELEASES[edition].weights:
        assert repr(weights) in local
    assert f"REPO_ID = {RELEASES[edition].repository!r}" in ast.unparse(
        ast.parse(_source(release, path))
    )


def test_the_languages(release: zipfile.Path) -> None:
    said = _assigned(release, "mtl_tts.py", "SUPPORTED_LANGUAGES")
    assert tuple(said) == LANGUAGES


@pytest.mark.parametrize("path", [path for path, _ in _CLASSES.values()])
def test_the_conditionals(release: zipfile.Path, path: str) -> None:
    kind = _class(release, path, "Conditionals")
    fields = [n.target.id for n in kind.body if isinstance(n, ast.AnnAssign) and _named(n)]  # type: ignore[union-attr]  # _named has looked
    assert fields == ["t3", "gen"]
    cond = _class(release, "models/t3/modules/cond_enc.py", "T3Cond")
    inside = [n.target.id for n in cond.body if isinstance(n, ast.AnnAssign) and _named(n)]  # type: ignore[union-attr]  # as above
    assert inside == [
        "speaker_emb",
        "clap_emb",
        "cond_prompt_speech_tokens",
        "cond_prompt_speech_emb",
        "emotion_adv",
    ]


def _named(node: ast.AnnAssign) -> bool:
    return isinstance(node.target, ast.Name)


def test_the_reference_is_encoded_to_what_we_keep(release: zipfile.Path) -> None:
    embed = _method(_class(release, "models/s3gen/s3gen.py", "S3Token2Mel"), "embed_ref")
    given = next(n for n in ast.walk(embed) if isinstance(n, ast.Return))
    assert isinstance(given.value, ast.Call)
    assert [k.arg for k in given.value.keywords] == [
        "prompt_token",
        "prompt_token_len",
        "prompt_feat",
        "prompt_feat_len",
        "embedding",
    ]


def test_the_numbers_that_upstream_hides_in_its_code(release: zipfile.Path) -> None:
    t3 = "models/t3/modules/t3_config.py"
    assert _assigned(release, t3, "start_speech_token") == SPEECH_TOKENS
    assert _assigned(release, t3, "stop_speech_token") == SPEECH_TOKENS + 1
    assert _assigned(release, t3, "speech_cond_prompt_len") == 150
    assert _assigned(release, t3, "input_pos_emb") == "learned"
    assert f"text_tokens_dict_size == {MULTILINGUAL_TEXT_TOKENS}" in _source(release, t3)
    assert _assigned(release, "models/s3gen/const.py", "S3GEN_SR") == SAMPLE_RATE
    assert _assigned(release, "models/s3gen/const.py", "S3GEN_SIL") == SILENCE_TOKEN
    tokenizer = "models/s3tokenizer/s3tokenizer.py"
    assert _assigned(release, tokenizer, "SPEECH_VOCAB_SIZE") == SPEECH_TOKENS
    assert _assigned(release, tokenizer, "S3_TOKEN_RATE") == 25
    for path in ("mtl_tts.py", "tts.py"):
        assert f"max_new_tokens={MOST_TOKENS}" in _source(release, path)
    assert (
        _defaults(_method(_class(release, "models/t3/t3.py", "T3"), "inference_turbo"))[
            "max_gen_len"
        ]
        == MOST_TOKENS
    )


def test_the_alignment_rules_we_follow(release: zipfile.Path) -> None:
    path = "models/t3/inference/alignment_stream_analyzer.py"
    assert tuple(_assigned(release, path, "LLAMA_ALIGNED_HEADS")) == ALIGNED_HEADS
    step = ast.unparse(_method(_class(release, path, "AlignmentStreamAnalyzer"), "step"))
    for rule in (
        "A_chunk[:, self.curr_frame_pos + 1:] = 0",
        "-4 < cur_text_posn - self.text_position < 7",
        "self.complete or self.text_position >= S - 3",
        "A[self.completed_at:, -3:].sum(dim=0).max() >= 5",
        "A[self.completed_at:, :-5].max(dim=1).values.sum() > 5",
        "len(set(self.generated_tokens[-2:])) == 1",
        "cur_text_posn < S - 3 and S > 5",
    ):
        assert rule in step


def test_the_shape_of_the_transformers(release: zipfile.Path) -> None:
    path = "models/t3/llama_configs.py"
    llama = _assigned(release, path, "LLAMA_520M_CONFIG_DICT")
    shape = RELEASES[Edition.MULTILINGUAL].shape
    assert llama["num_hidden_layers"] == shape.layers
    assert llama["num_attention_heads"] == llama["num_key_value_heads"] == shape.heads
    assert llama["head_dim"] == shape.head_dim
    gpt2 = _assigned(release, path, "GPT2_MEDIUM_CONFIG")
    small = RELEASES[Edition.TURBO].shape
    assert (gpt2["n_layer"], gpt2["n_head"]) == (small.layers, small.heads)
    assert gpt2["n_embd"] == small.heads * small.head_dim


def test_the_flow_is_solved_as_we_solve_it(release: zipfile.Path) -> None:
    flow = _class(release, "models/s3gen/flow_matching.py", "ConditionalCFM")
    names = [argument.arg for argument in _method(flow, "solve_euler").args.args]
    assert names == ["self", "x", "t_span", "mu", "mask", "spks", "cond", "meanflow"]
    source = _source(release, "models/s3gen/flow_matching.py")
    assert "t_span = 1 - torch.cos(t_span * 0.5 * torch.pi)" in source
    wave = _method(_class(release, "models/s3gen/s3gen.py", "S3Token2Wav"), "flow_inference")
    assert "2 if self.meanflow else 10" in ast.unparse(wave)
    assert RELEASES[Edition.MULTILINGUAL].flow_steps == 10
    assert "n_cfm_timesteps=2" in _source(release, "tts_turbo.py")
    assert RELEASES[Edition.TURBO].flow_steps == 2
    assert "S3GEN_SIL, S3GEN_SIL, S3GEN_SIL]" in _source(release, "tts_turbo.py")
