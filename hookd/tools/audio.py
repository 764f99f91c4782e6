"""
Formats of recordings: what a file is by its first bytes, and what ffmpeg is told of it.

ffmpeg never guesses: a playlist with the name of a recording would have it open other files. What has no such bytes
(the telephone's own raw formats) is known by its suffix, and is nothing but samples to ffmpeg.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

HEAD_BYTES = 4096  # what `identify` wants to see of a file
BITRATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # kbit/s of MPEG-2 Layer III (ISO 13818-3)
BITRATE = 32  # telephone speech in mono loses nothing that one would hear
CHANNELS_MAX = 64
LEAST_BYTES = 45  # of a result: the header of a WAV file has 44
SPARE_BYTES = 65_536  # of a result, for headers

# Names of ffmpeg's decoders for what may be in a WAV file of Asterisk, FreeSWITCH or a recorder beside them.
_WAV_CODECS = (
    "pcm_s16le,pcm_u8,pcm_s24le,pcm_s32le,pcm_f32le,pcm_alaw,pcm_mulaw,gsm_ms,libgsm_ms,adpcm_ima_wav,adpcm_ms,g726"
)


@dataclass(frozen=True, slots=True)
class Format:
    """
    What a recording is.

    Attributes:
        demuxer: ffmpeg's name of what takes it apart.
        codecs: ffmpeg's names of what may decode it.
        bytes_per_s: The least that a second of sound takes: how long it is at most.
        options: More that ffmpeg has to be told.
        is_final: Its target, where nothing is left to do.
    """

    demuxer: str
    codecs: str
    bytes_per_s: float
    options: tuple[str, ...] = ()
    is_final: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """
    What a recording is made into.

    Attributes:
        options: What ffmpeg is told; {bitrate} is filled in.
        bytes_per_s: Of the result; 0 where the bit rate says it.
    """

    options: tuple[str, ...]
    bytes_per_s: int = 0


# 16 kHz, since mp3 at the telephone's 8 kHz is an extension to the standard (MPEG-2.5) that not every player knows.
# Level 7 of lame's 9 takes half the time of its default, measured on an hour of 8 kHz.
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "mp3": Target(
            (
                *("-ar", "16000", "-c:a", "libmp3lame", "-b:a", "{bitrate}k", "-compression_level", "7"),
                # A constant bit rate says how long it is; and without sound there is no frame that only says so.
                *("-id3v2_version", "0", "-write_xing", "0", "-f", "mp3"),
            )
        ),
        "wav": Target(("-ar", "8000", "-ac", "1", "-c:a", "pcm_s16le", "-f", "wav"), bytes_per_s=16_000),
    }
)

_MP3 = Format("mp3", "mp3float,mp3", 1000, is_final="mp3")
_OGG = Format("ogg", "vorbis,opus,libopus,libspeex,speex", 500)
_ULAW = Format("mulaw", "pcm_mulaw", 8000, ("-ar", "8000"))
_ALAW = Format("alaw", "pcm_alaw", 8000, ("-ar", "8000"))

# Suffix → format of files that are samples from the first byte on (Asterisk's formats/format_*.c).
_RAW: Mapping[str, Format] = MappingProxyType(
    {
        ".gsm": Format("gsm", "gsm,libgsm", 1625),
        **dict.fromkeys((".ulaw", ".ul", ".mu", ".ulw", ".pcm"), _ULAW),
        **dict.fromkeys((".alaw", ".al", ".alw"), _ALAW),
        ".sln": Format("s16le", "pcm_s16le", 16_000, ("-ar", "8000")),
        ".sln16": Format("s16le", "pcm_s16le", 32_000, ("-ar", "16000")),
        ".g722": Format("g722", "g722", 8000),
    }
)
SUFFIXES = frozenset({".wav", ".wav49", ".mp3", ".ogg", *_RAW})
KNOWN = "WAV (also wav49), MP3, Ogg, and by their suffix " + ", ".join(_RAW)

_FMT = struct.Struct("<HHIIH")  # format, channels, samples/s, bytes/s, bytes of a block
_PCM = 1
_WAV_BYTES_PER_S = 1625  # of GSM in WAV ("wav49"): the least of all


def identify(head: bytes, name: str) -> Format | None:
    """
    Return the format of the file *name* that begins with *head*; None where it is none of ours.
    """
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _wav(head)
    if head[:3] == b"ID3" or is_mp3_frame(head[:4]):
        return _MP3
    if head[:4] == b"OggS":
        return _OGG
    return _RAW.get(os.path.splitext(name)[1].lower()) if head else None


def has_suffix(name: str) -> bool:
    """
    Whether *name* is one that recordings have.
    """
    return os.path.splitext(name)[1].lower() in SUFFIXES


def is_mp3_frame(head: bytes) -> bool:
    """
    Whether *head* is the header of a frame of MPEG Layer III.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and bitrate not in (0, 15) and rate != 3


def result_bytes(source: Format, size: int, target: str, bitrate: int) -> int:
    """
    Return how long the result of *size* bytes of *source* can be.
    """
    bytes_per_s = TARGETS[target].bytes_per_s or bitrate * 125
    return int(size / source.bytes_per_s * bytes_per_s) + SPARE_BYTES


def arguments(source: Format, target: str, bitrate: int) -> list[str]:
    """
    Return what ffmpeg is told: read standard input, write the file that standard output is.

    The output is opened anew by its name in /proc: for its header, a WAV file needs to be gone back in, and ffmpeg does
    not do so on a pipe, which it takes standard output for.
    """
    options = [option.format(bitrate=bitrate) for option in TARGETS[target].options]
    return [
        *("-hide_banner", "-v", "error", "-nostdin", "-y", "-threads", "1", "-filter_threads", "1"),
        *("-protocol_whitelist", "pipe,file", "-format_whitelist", source.demuxer, "-codec_whitelist", source.codecs),
        *("-f", source.demuxer, *source.options, "-i", "pipe:0"),
        # The first sound and nothing else: no cover, no comment, no chapter, not even ffmpeg's version.
        *("-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"),
        *("-flags:a", "+bitexact", "-threads", "1", *options, OUTPUT),
    ]


OUTPUT = "file:/proc/self/fd/1"


def _wav(head: bytes) -> Format:
    """The format of a WAV file; its header may lie, which only makes the limit of the result too low."""
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        if head[at : at + 4] == b"fmt " and at + 8 + _FMT.size <= len(head):
            kind, channels, _, bytes_per_s, _ = _FMT.unpack_from(head, at + 8)
            is_final = "wav" if kind == _PCM else ""
            least = bytes_per_s if 0 < channels <= CHANNELS_MAX else 0
            return Format("wav", _WAV_CODECS, max(_WAV_BYTES_PER_S, least), is_final=is_final)
        at += 8 + size + size % 2
    return Format("wav", _WAV_CODECS, _WAV_BYTES_PER_S)
