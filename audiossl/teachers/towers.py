"""Audio towers of `transformers`, one row a model type: speech models, ears of language models, codecs, spectrogram transformers.

A row says which class of `transformers` the tower is, where it lies in a larger published model, how it reads a clip, where its
blocks are, and where its frames lie in time. What is common to all is in `audiossl.teachers.tower_encoder`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from audiossl.teachers import tower_runs as runs
from audiossl.teachers.foreign import Foreign
from audiossl.teachers.tower_timing import Timing, by_mel, codec, moonshine, of_clip, of_patches, of_pe_audio, padded_mel

Run = Callable[[Foreign, Foreign, Tensor], Tensor]


@dataclass(frozen=True)
class Tower:
    """One model type.

    Attributes:
        title: common name of the family.
        place: its class, `module:Class` below `transformers.models`.
        run: function of (tower, extractor, clip) that gives its output, (1, T', D') or (T', D').
        timing: function of (config, extractor) that says where frames lie.
        blocks: path of its blocks in the tower; "" for models whose output alone is read.
        extractor: class of the feature extractor in `transformers`, made with `options` where a folder has none; or one of our
            own as `module:Class`, which is always taken.
        options: function of the config that gives them.
        token: function of (frames of a block, config) that gives (1, T, D); for outputs that are no sequence of frames.
    """

    title: str
    place: str
    run: Run
    timing: Callable[[Foreign, Foreign], Timing]
    blocks: str = "layers"
    extractor: str = "WhisperFeatureExtractor"
    options: Callable[[Foreign], Mapping[str, object]] = lambda config: {}
    token: Callable[[Tensor, Foreign], Tensor] = lambda hidden, config: hidden


@dataclass(frozen=True)
class Inside:
    """A larger published model, of which the tower alone is read.

    Attributes:
        tower: model type of the tower.
        section: attribute of its config in the config of the larger model.
        prefixes: beginnings of the names of its weights there; the first that is found.
    """

    tower: str
    section: str
    prefixes: tuple[str, ...] = field(default=("audio_tower.", "model.audio_tower."))


def _mel_bins(config: Foreign) -> dict[str, object]:
    return {"feature_size": config.num_mel_bins}


TOWERS: dict[str, Tower] = {
    "wav2vec2-bert": Tower(
        "w2v-BERT",
        "wav2vec2_bert.modeling_wav2vec2_bert:Wav2Vec2BertModel",
        runs.keywords,
        by_mel(stack=2, window=400),
        blocks="encoder.layers",
        extractor="SeamlessM4TFeatureExtractor",
    ),
    "audio-spectrogram-transformer": Tower(
        "AST",
        "audio_spectrogram_transformer.modeling_audio_spectrogram_transformer:ASTModel",
        runs.spectrogram_transformer,
        of_patches,
        extractor="ASTFeatureExtractor",
        options=lambda config: {"max_length": config.max_length, "num_mel_bins": config.num_mel_bins},
        token=runs.mean_of_bands,
    ),
    "clap_audio_model": Tower(
        "CLAP",
        "clap.modeling_clap:ClapAudioModel",
        runs.clap,
        of_clip,
        blocks="",
        extractor="ClapFeatureExtractor",
        options=runs.clap_options,
    ),
    "parakeet_encoder": Tower(
        "Parakeet",
        "parakeet.modeling_parakeet:ParakeetEncoder",
        runs.keywords,
        by_mel(stack="subsampling_factor", centred=True),
        extractor="ParakeetFeatureExtractor",
        options=_mel_bins,
    ),
    "lasr_encoder": Tower(
        "LASR",
        "lasr.modeling_lasr:LasrEncoder",
        runs.keywords,
        by_mel(stack=4, window=400, kernel=13),  # two convolutions of width 5 and stride 2, without padding
        extractor="LasrFeatureExtractor",
        options=_mel_bins,
    ),
    "qwen2_audio_encoder": Tower(
        "Qwen2-Audio",
        "qwen2_audio.modeling_qwen2_audio:Qwen2AudioEncoder",
        runs.qwen2_audio,
        padded_mel(last=2),
        options=_mel_bins,
    ),
    "voxtral_encoder": Tower(
        "Voxtral", "voxtral.modeling_voxtral:VoxtralEncoder", runs.padded_keywords, padded_mel(), options=_mel_bins
    ),
    "audioflamingo3_encoder": Tower(
        "Audio Flamingo 3",
        "audioflamingo3.modeling_audioflamingo3:AudioFlamingo3Encoder",
        runs.audio_flamingo,
        padded_mel(last=2),
        options=_mel_bins,
    ),
    "qwen2_5_omni_audio_encoder": Tower(
        "Qwen2.5-Omni",
        "qwen2_5_omni.modeling_qwen2_5_omni:Qwen2_5OmniAudioEncoder",
        runs.qwen_omni,
        by_mel(stack=2, last=2, centred=True),
        options=_mel_bins,
    ),
    "qwen3_omni_moe_audio_encoder": Tower(
        "Qwen3-Omni",
        "qwen3_omni_moe.modeling_qwen3_omni_moe:Qwen3OmniMoeAudioEncoder",
        runs.qwen_omni,
        by_mel(stack=8, chunk=lambda config: 2 * config.n_window, centred=True),
        options=_mel_bins,
    ),
    "moonshine": Tower(
        "Moonshine",
        "moonshine.modeling_moonshine:MoonshineEncoder",
        runs.keywords,
        moonshine,
        extractor="Wav2Vec2FeatureExtractor",
        options=lambda config: {"do_normalize": False},
    ),
    "granite_speech_encoder": Tower(
        "Granite Speech",
        "granite_speech.modeling_granite_speech:GraniteSpeechCTCEncoder",
        runs.granite,
        by_mel(stack=2, centred=True),
        extractor="audiossl.teachers.granite_mel:GraniteMel",
        options=lambda config: {"num_mel_bins": config.input_dim // 2},
    ),
    "seamless_m4t_v2": Tower(
        "SeamlessM4T v2",
        "seamless_m4t_v2.modeling_seamless_m4t_v2:SeamlessM4Tv2SpeechEncoder",
        runs.keywords,
        by_mel(stack=2, window=400, last=lambda config: config.adaptor_stride, last_shift=-0.5),
        blocks="encoder.layers",
        extractor="SeamlessM4TFeatureExtractor",
    ),
    "gemma3n_audio": Tower(
        "Gemma 3n",
        "gemma3n.modeling_gemma3n:Gemma3nAudioEncoder",
        runs.gemma3n,
        by_mel(stack=4, window=512, last=lambda config: config.conf_reduction_factor, last_shift=0.0),
        blocks="conformer",
        extractor="Gemma3nAudioFeatureExtractor",
        options=lambda config: {"feature_size": config.input_feat_size},
    ),
    "gemma4_audio": Tower(
        "Gemma 4",
        "gemma4.modeling_gemma4:Gemma4AudioModel",
        runs.gemma4,
        by_mel(stack=4, centred=True),
        extractor="Gemma4AudioFeatureExtractor",
    ),
    "pe_audio_encoder": Tower(
        "PE-Audio",
        "pe_audio.modeling_pe_audio:PeAudioEncoder",
        runs.keywords,
        of_pe_audio,
        extractor="PeAudioFeatureExtractor",
        token=runs.without_class_token,
    ),
    "mimi": Tower(
        "Mimi",
        "mimi.modeling_mimi:MimiModel",
        runs.mimi,
        codec(
            lambda config: config.sampling_rate / config.encodec_frame_rate,
            last=lambda config: config.encodec_frame_rate / config.frame_rate,
        ),
        blocks="encoder.encoder_transformer.layers",
        extractor="EncodecFeatureExtractor",
        options=lambda config: {"sampling_rate": config.sampling_rate},
    ),
    "encodec": Tower(
        "EnCodec",
        "encodec.modeling_encodec:EncodecModel",
        runs.encodec,
        codec(lambda config: config.hop_length),
        blocks="",
        extractor="EncodecFeatureExtractor",
        options=lambda config: {"sampling_rate": config.sampling_rate},
    ),
    "dac": Tower(
        "DAC",
        "dac.modeling_dac:DacModel",
        runs.dac,
        codec(lambda config: config.hop_length),
        blocks="",
        extractor="DacFeatureExtractor",
        options=lambda config: {"sampling_rate": config.sampling_rate, "hop_length": config.hop_length},
    ),
    "xcodec": Tower(
        "X-Codec",
        "xcodec.modeling_xcodec:XcodecModel",
        runs.xcodec,
        codec(lambda config: config.hop_length, rate="sample_rate"),
        blocks="",
        extractor="DacFeatureExtractor",
        options=lambda config: {"sampling_rate": config.sample_rate, "hop_length": config.hop_length},
    ),
}

LARGER: dict[str, Inside] = {
    "qwen2_audio": Inside("qwen2_audio_encoder", "audio_config"),
    "qwen2_5_omni": Inside("qwen2_5_omni_audio_encoder", "thinker_config.audio_config", ("thinker.audio_tower.",)),
    "qwen2_5_omni_thinker": Inside("qwen2_5_omni_audio_encoder", "audio_config", ("audio_tower.", "thinker.audio_tower.")),
    "qwen3_omni_moe": Inside("qwen3_omni_moe_audio_encoder", "thinker_config.audio_config", ("thinker.audio_tower.",)),
    "qwen3_omni_moe_thinker": Inside("qwen3_omni_moe_audio_encoder", "audio_config", ("audio_tower.", "thinker.audio_tower.")),
    "voxtral": Inside("voxtral_encoder", "audio_config"),
    "audioflamingo3": Inside("audioflamingo3_encoder", "audio_config"),
    "parakeet_ctc": Inside("parakeet_encoder", "encoder_config", ("encoder.",)),
    "parakeet_rnnt": Inside("parakeet_encoder", "encoder_config", ("encoder.",)),
    "parakeet_tdt": Inside("parakeet_encoder", "encoder_config", ("encoder.",)),
    "lasr_ctc": Inside("lasr_encoder", "encoder_config", ("encoder.",)),
    "clap": Inside("clap_audio_model", "audio_config", ("audio_model.",)),
    "granite_speech": Inside("granite_speech_encoder", "encoder_config", ("encoder.", "model.encoder.")),
    "gemma3n": Inside("gemma3n_audio", "audio_config"),
    "gemma4": Inside("gemma4_audio", "audio_config"),
    "pe_audio": Inside("pe_audio_encoder", "audio_config", ("audio_encoder.", "audio_model.")),
    "moonshine": Inside("moonshine", "", ("model.encoder.", "encoder.")),
    "seamless_m4t_v2": Inside("seamless_m4t_v2", "", ("speech_encoder.",)),
}
