"""llama.cpp by its C API, through the ctypes of llama-cpp-python: no sampler, no chat, nothing between the calls but numpy's argmax.

llama-cpp.py MODEL --threads N     JSON lines like the other engines, see json-lines.mjs
"""

import argparse
import ctypes
import json
import os
import sys
import time

import llama_cpp as llama
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--context", type=int, required=True)
options = parser.parse_args()

BATCH = 512

# Its log goes to stderr, and only what is wrong.
ERROR = 4
callback = llama.llama_log_callback(
    lambda level, text, _: sys.stderr.write(text.decode("utf-8", "replace")) if level == ERROR else None
)
llama.llama_log_set(callback, ctypes.c_void_p(0))
llama.llama_backend_init()

model = llama.llama_model_load_from_file(os.fsencode(options.model), llama.llama_model_default_params())
if not model:
    sys.exit(f"llama.cpp does not load {options.model}")

params = llama.llama_context_default_params()
params.n_ctx = options.context
params.n_batch = params.n_ubatch = BATCH
params.n_threads = params.n_threads_batch = options.threads
params.flash_attn_type = 1  # LLAMA_FLASH_ATTN_TYPE_ENABLED
context = llama.llama_init_from_model(model, params)
if not context:
    sys.exit(f"llama.cpp makes no context of {options.context} positions for {options.model}")

vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
memory = llama.llama_get_memory(context)


def decode(ids):
    """Logits of the last of `ids` as the next positions; pieces of BATCH."""
    for begin in range(0, len(ids), BATCH):
        piece = ids[begin : begin + BATCH]
        tokens = (llama.llama_token * len(piece))(*piece)
        # Without positions and flags: the next positions, logits of the last one alone.
        status = llama.llama_decode(context, llama.llama_batch_get_one(tokens, len(piece)))
        if status != 0:
            sys.exit(f"llama_decode returned {status} for {len(piece)} ids")
    return np.ctypeslib.as_array(llama.llama_get_logits_ith(context, -1), (vocab,))


def run(ids, generate):
    llama.llama_memory_clear(memory, True)
    begun = time.perf_counter()
    chosen = [int(decode(ids).argmax())]
    middle = time.perf_counter()
    for _ in range(generate):
        chosen.append(int(decode(chosen[-1:]).argmax()))
    end = time.perf_counter()
    return {"promptMs": (middle - begun) * 1000, "generateMs": (end - middle) * 1000, "ids": chosen[:generate]}


def say(line):
    print(json.dumps(line), flush=True)


info = llama.llama_print_system_info().decode()
flags = [part.split("=")[0].strip() for part in info.split(":", 1)[-1].split("|") if part.strip().endswith("1")]
wide = [flag for flag in ("AVX2", "AVX_VNNI", "AVX512", "AVX512_VNNI", "AMX_INT8", "NEON", "DOTPROD") if flag in flags]
say(
    {
        "version": f"llama-cpp-python {llama.__version__}",
        "build": " ".join(wide).replace("AVX512 AVX512_VNNI", "AVX512_VNNI"),
        "notes": [f"llama.cpp: {info.strip()}"],
    }
)
for line in sys.stdin:
    request = json.loads(line)
    say(run(request["ids"], request["generate"]))
