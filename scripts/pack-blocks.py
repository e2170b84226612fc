"""Packs blocks of every stored type and what ggml makes of them into test/golden/blocks.gz (format: test/golden/README.md).

  python scripts/pack-blocks.py QUANT_SAFETENSORS LIBGGML_BASE

QUANT_SAFETENSORS holds `TYPE.raw` and `TYPE.values` per type and `input`; LIBGGML_BASE is libggml-base.so, as llama-cpp-python brings it.
The library must agree with the values of the file; it also decodes blocks with extreme scales and encodes rows. Needs numpy, safetensors.
"""

import ctypes
import gzip
import json
import pathlib
import struct
import sys

import numpy as np
from safetensors.numpy import load_file

# name -> ggml type, values and bytes of a block, offsets of f16 scales
TYPES = {
    "f32": (0, 1, 4, []),
    "f16": (1, 1, 2, []),
    "bf16": (30, 1, 2, []),
    "q8_0": (8, 32, 34, [0]),
    "q4_0": (2, 32, 18, [0]),
    "q4_1": (3, 32, 20, [0, 2]),
    "q5_0": (6, 32, 22, [0]),
    "q5_1": (7, 32, 24, [0, 2]),
    "q2_k": (10, 256, 84, [80, 82]),
    "q3_k": (11, 256, 110, [108]),
    "q4_k": (12, 256, 144, [0, 2]),
    "q5_k": (13, 256, 176, [0, 2]),
    "q6_k": (14, 256, 210, [208]),
    "iq4_nl": (20, 32, 18, [0]),
    "iq4_xs": (23, 256, 136, [0]),
    "mxfp4": (39, 32, 17, []),
    "tq1_0": (34, 256, 54, [52]),
    "tq2_0": (35, 256, 66, [64]),
}
ENCODED = ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"]
# Zeros, subnormals, the smallest normal, one, the greatest; both signs. An element of mxfp4 has a power of two.
SCALES = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x8400, 0x3C00, 0xBC00, 0x7BFF, 0xFBFF]
POWERS = [0, 1, 2, 3, 126, 127, 128, 129, 250, 251, 252]
COLS = 512

random = np.random.default_rng(20260117)
library = ctypes.CDLL(sys.argv[2])
given = load_file(sys.argv[1])


class Traits(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("block", ctypes.c_int64),
        ("interleave", ctypes.c_int64),
        ("bytes", ctypes.c_size_t),
        ("quantised", ctypes.c_bool),
        ("decode", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    ]


library.ggml_get_type_traits.restype = ctypes.POINTER(Traits)
library.ggml_quantize_chunk.restype = ctypes.c_size_t
library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]


def decode(name, raw):
    type, block, size, _ = TYPES[name]
    traits = library.ggml_get_type_traits(type).contents
    assert (traits.block, traits.bytes) == (block, size), name
    values = np.zeros(raw.size // size * block, np.float32)
    traits.decode(raw.ctypes.data, values.ctypes.data, values.size)
    return values


def encode(name, rows):
    type, block, size, _ = TYPES[name]
    library.ggml_quantize_init(type)
    out = np.zeros(rows.size // block * size, np.uint8)
    library.ggml_quantize_chunk(type, rows.ctypes.data, out.ctypes.data, 0, rows.shape[0], rows.shape[1], None)
    return out


def extreme(name):
    """Blocks of random bytes, one per scale (each pair of scales where there are two)."""
    _, _, size, scales = TYPES[name]
    if name == "mxfp4":
        raw = random.integers(0, 256, (len(POWERS), size), np.uint8)
        raw[:, 0] = POWERS
        return raw
    pairs = [(d, SCALES[(i * 7 + 3) % len(SCALES)]) for i, d in enumerate(SCALES)]
    raw = random.integers(0, 256, (len(pairs), size), np.uint8)
    for i, pair in enumerate(pairs):
        for at, scale in zip(scales, pair):
            raw[i, at : at + 2] = [scale & 255, scale >> 8]
    return raw


def rows():
    """What quantisers meet: given rows, heavy tails, one sign, zeros of both signs, ties, flat and dead sub-blocks."""
    size = (COLS,)
    signs = lambda: random.choice([-1.0, 1.0], size)
    normal = lambda *shape: random.normal(size=shape or size)
    yield from given["input"]
    yield random.standard_t(2, size)
    yield random.uniform(0, 1, size)
    yield -random.uniform(0.3, 1.3, size)
    yield random.uniform(5, 6, size)
    yield normal() * (random.uniform(size=size) < 0.3) * signs()
    yield random.integers(-8, 8, size)
    yield random.integers(-20, 20, size) * 0.25
    yield np.repeat(normal(16), 32) * np.exp2(random.integers(-20, 10, size))
    yield np.repeat(normal(32), 16)
    yield np.repeat(normal(16), 32)
    yield np.resize([0.0, -0.0], size)
    yield np.resize([-0.0, 0.0], size)
    yield signs() * np.repeat(normal(8), 64)
    # Sub-blocks so small beside their neighbours that their integer scale is 0, and some of nothing at all.
    yield normal() * np.repeat(np.exp2(random.choice([0, -1, -12, -60], 32)), 16)
    yield normal() * np.repeat(np.exp2(random.choice([0, -9, -14], 16)), 32) * 2.0**-18
    # The last spread that q4_k and q5_k try is the best one of a sub-block.
    for seed in [180, 213]:
        yield np.repeat(np.random.default_rng(seed).normal(size=32), 16)
    # The same for q6_k: one block of 60,000.
    other = np.random.default_rng(3)
    other.normal(size=2**20)
    yield other.standard_t(2, size=2**20)[1796 * 256 :][:COLS]
    # Sub-blocks that count as nothing beside some that do not.
    yield normal() * np.repeat(np.exp2(random.choice([-43, -51], 32)), 16)
    # x / d + 8.5 (16.5) that only f32 rounds up to a whole number.
    yield np.resize(np.concatenate([[-8.0, -0.5 - 2**-24, 0.5, -0.5], random.integers(-8, 8, 28) - 0.5 - 2**-24]), size)


def halves():
    """f32 on, beside and between f16 and bf16, and any finite bits."""
    grid = random.integers(0, 0x7C00, 1024).astype(np.uint16).view(np.float16).astype(np.float32)
    middle = grid.view(np.uint32) + 0x1000
    edges = np.array([65504, 65519.99, 65520, 2**-14, 2**-24, 2**-25, 2**-25 * 1.001, 3 * 2**-25, 0, 2**-14 - 2**-26, 3.3895e38], np.float32)
    anything = random.integers(0, 0x7F7F8000, 2048).astype(np.uint32)
    bits = np.concatenate([middle, middle - 1, middle + 1, edges.view(np.uint32), anything])
    brain = random.integers(0, 0x7F00, 1024).astype(np.uint32) << 16 | 0x8000
    bits = np.concatenate([bits, brain, brain - 1, brain + 1])
    return (bits | random.integers(0, 2, bits.size).astype(np.uint32) << 31).view(np.float32)


data = bytearray()


def keep(array):
    """f32 in planes: byte 0 of all elements, then byte 1, ..."""
    bytes_ = np.ascontiguousarray(array).view(np.uint8).reshape(-1, array.dtype.itemsize).T.tobytes()
    data.extend(bytes_)
    return {"at": len(data) - len(bytes_), "bytes": len(bytes_)}


header = {"decode": {}, "encode": {}, "halves": {}}
for name, (_, block, size, scales) in TYPES.items():
    if name == "f32":
        continue
    raw = given[f"{name}.raw"].ravel()
    values = decode(name, raw)
    assert (values.view(np.uint32) == given[f"{name}.values"].ravel().view(np.uint32)).all(), name
    raw = raw[: size * (6 if block == 256 else 24)] if block > 1 else raw
    if block > 1:
        raw = np.concatenate([raw, extreme(name).ravel()])
    values = decode(name, raw)
    assert np.isfinite(values).all(), name
    header["decode"][name] = {"raw": keep(raw), "values": keep(values)}
matrix = np.ascontiguousarray(list(rows()), np.float32)
header["rows"] = keep(matrix)
header["cols"] = COLS
for name in ENCODED:
    stored = encode(name, matrix)
    if f"{name}.quantised" in given:
        assert (stored[: given[f"{name}.quantised"].size] == given[f"{name}.quantised"].ravel()).all(), name
    header["encode"][name] = keep(stored)
bits = halves()
header["values"] = keep(bits)
for name in ["f16", "bf16"]:
    header["halves"][name] = keep(encode(name, bits.reshape(1, -1)))
text = json.dumps(header).encode()
to = pathlib.Path(__file__).parent.parent / "test/golden/blocks.gz"
to.write_bytes(gzip.compress(struct.pack("<I", len(text)) + text + bytes(data), mtime=0))
print(to.stat().st_size, "bytes;", len(matrix), "rows")
