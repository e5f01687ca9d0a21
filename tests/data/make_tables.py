#!/usr/bin/env python3
"""Writes the conversion tables that tests/ir/conversion_test.cpp compares Octile's numerics with.

The values come from the PyPI package ml_dtypes (and numpy for f16), independent of this project.
Run from anywhere: python3 make_tables.py writes <type>.txt beside this file. Each line is

  decode <count> <code> <code step> <f32 bits> <bits step>
  encode <count> <f32 bits> <bits step> <code> <code step>

that is, `count` pairs in arithmetic progression, hexadecimal but for the count; a NaN is written as
7fc00000 or as the code in the first line, "nan <code>", and stands for any NaN. `encode` lists every
finite value of the type, every tie between neighbours with the f32 just below and above it, both
signs, limits, and seeded random bits.
One rule is put on top of ml_dtypes, since it is Octile's contract: FP8 saturates to the largest
finite value. ue8m0 has no `encode` lines: Octile rounds it up to a power of two, ml_dtypes to nearest.
"""
import pathlib

import ml_dtypes
import numpy as np

HERE = pathlib.Path(__file__).parent
NAN_BITS = 0x7FC00000
TYPES = {
    "e4m3": (ml_dtypes.float8_e4m3fn, np.uint8, 0x7F),
    "e5m2": (ml_dtypes.float8_e5m2, np.uint8, 0x7F),
    "ue8m0": (ml_dtypes.float8_e8m0fnu, np.uint8, 0xFF),
    "f16": (np.float16, np.uint16, 0x7FFF),
    "bf16": (ml_dtypes.bfloat16, np.uint16, 0x7FFF),
}


def decode(codes, dtype, storage):
    values = codes.astype(storage).view(dtype).astype(np.float32)
    bits = values.view(np.uint32).astype(np.int64)
    return np.where(np.isnan(values), NAN_BITS, bits)


def encode(bits, dtype, storage, nan_code, saturate):
    values = bits.astype(np.uint32).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(dtype)
        back = narrow.astype(np.float32)
    codes = narrow.view(storage).astype(np.int64)
    if saturate:
        largest = storage(np.array(ml_dtypes.finfo(dtype).max, dtype).view(storage))
        over = ~np.isnan(values) & ~np.isfinite(back)
        codes = np.where(over, int(largest) | np.where(np.signbit(values), 0x80, 0), codes)
    return np.where(np.isnan(values), nan_code, codes)


def progressions(kind, keys, results, width):
    """Lines that cover the pairs (keys[i], results[i]) with arithmetic progressions."""
    lines = []
    i = 0
    while i < len(keys):
        j = i + 1
        key_step = result_step = 0
        if j < len(keys):
            key_step, result_step = keys[j] - keys[i], results[j] - results[i]
            while (j < len(keys) and keys[j] - keys[j - 1] == key_step
                   and results[j] - results[j - 1] == result_step):
                j += 1
        if j == i + 1:
            key_step = result_step = 0
        a, b = width
        lines.append(f"{kind} {j - i} {keys[i]:0{a}x} {key_step:x} {results[i]:0{b}x} {result_step:x}")
        i = j
    return lines


def encode_inputs(dtype, storage, digits):
    """Groups of f32 bits, each group likely to be in few progressions."""
    magnitudes = np.arange(1 << (4 * digits - 1), dtype=np.int64)
    values = magnitudes.astype(storage).view(dtype).astype(np.float32)
    finite = values[np.isfinite(values)]
    assert np.all(np.diff(finite) > 0)
    exact = finite.view(np.uint32).astype(np.int64)
    ties = ((finite[:-1].astype(np.float64) + finite[1:]) / 2).astype(np.float32)
    ties = ties.view(np.uint32).astype(np.int64)
    groups = [exact]
    for offset in (0, -1, 1):
        groups += [(ties + offset)[parity::2] for parity in (0, 1)]
    groups += [group + (1 << 31) for group in groups]
    half_step = exact[-1] - ties[-1]
    limits = [exact[-1] + d for d in (1, half_step - 1, half_step, half_step + 1, 2 * half_step)]
    limits += [1, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7F800001]
    limits = [limit for limit in limits if limit <= 0x7FC00000]
    groups.append(np.array(limits + [limit | 1 << 31 for limit in limits], np.int64))
    rng = np.random.default_rng(8)
    groups.append(rng.integers(0, 1 << 32, 200).astype(np.int64))
    # Random mantissas in and around the type's own range of exponents.
    scale = rng.integers(-30, 20, 300).astype(np.float64)
    scaled = (rng.uniform(-2, 2, 300) * 2.0**scale).astype(np.float32)
    groups.append(scaled.view(np.uint32).astype(np.int64))
    return groups


def main():
    for name, (dtype, storage, nan_code) in TYPES.items():
        digits = 2 * np.dtype(storage).itemsize
        codes = np.arange(1 << (4 * digits), dtype=np.int64)
        lines = [f"nan {nan_code:x}"]
        lines += progressions("decode", codes, decode(codes, dtype, storage), (digits, 8))
        if name != "ue8m0":
            for group in encode_inputs(dtype, storage, digits):
                results = encode(group, dtype, storage, nan_code, name in ("e4m3", "e5m2"))
                lines += progressions("encode", group, results, (8, digits))
        (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
