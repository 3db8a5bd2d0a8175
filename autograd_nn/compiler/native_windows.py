"""Convolution and pooling of images in native code: windows of one image at a time, in memory that stays in the cache.

Images are (batch, channels, height, width) in C order. Arrays are given by their addresses. Needs Numba.
"""

# pyright: reportMissingImports=false, reportCallIssue=false, reportOptionalCall=false
# (Numba is optional, and its decorators are not typed)

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .native_library import apart, at, gemm, maximum, select

__all__ = ["WINDOWS"]

native: Any = njit(nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)


def made(dtype: str, letter: str) -> dict[str, Any]:
    """Return the functions for a dtype, "float32" or "float64"."""
    size = np.dtype(dtype).itemsize
    real = np.dtype(dtype).type

    @native
    def columns(x, c, channels, h, w, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw):
        """Lay out the windows of an image (channels, h, w) as columns (channels · kh · kw, oh · ow)."""
        apart()
        p = at(x, dtype, 0, 0, 1)
        q = at(c, dtype, 0, 0, 1)
        row = 0
        for channel in range(channels):
            for ky in range(kh):
                for kx in range(kw):
                    left = kx * dw - pw
                    first = max(0, -(left // sw))
                    last = min(ow, (w - 1 - left) // sw + 1)
                    for oy in range(oh):
                        y = oy * sh + ky * dh - ph
                        to = row * oh * ow + oy * ow
                        if y < 0 or y >= h or last <= first:
                            for ox in range(ow):
                                q[to + ox] = real(0)
                        else:
                            come = (channel * h + y) * w + left
                            for ox in range(first):
                                q[to + ox] = real(0)
                            if sw == 1:
                                for ox in range(first, last):
                                    q[to + ox] = p[come + ox]
                            else:
                                for ox in range(first, last):
                                    q[to + ox] = p[come + ox * sw]
                            for ox in range(last, ow):
                                q[to + ox] = real(0)
                    row += 1
        return 0

    @native
    def uncolumns(c, x, channels, h, w, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw):
        """Add columns back into an image, which begins as zeros."""
        apart()
        p = at(x, dtype, 0, 0, 1)
        q = at(c, dtype, 0, 0, 1)
        for i in range(channels * h * w):
            p[i] = real(0)
        row = 0
        for channel in range(channels):
            for ky in range(kh):
                for kx in range(kw):
                    left = kx * dw - pw
                    first = max(0, -(left // sw))
                    last = min(ow, (w - 1 - left) // sw + 1)
                    for oy in range(oh):
                        y = oy * sh + ky * dh - ph
                        if 0 <= y < h:
                            come = row * oh * ow + oy * ow
                            to = (channel * h + y) * w + left
                            if sw == 1:
                                for ox in range(first, last):
                                    p[to + ox] += q[come + ox]
                            else:
                                for ox in range(first, last):
                                    p[to + ox * sw] += q[come + ox]
                    row += 1
        return 0

    @native
    def conv(x, f, out, c, n, channels, h, w, filters, groups, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw):
        """Convolve images with filters; c has room for the columns of one group."""
        apart()
        k, m, windows = channels * kh * kw, filters // groups, oh * ow
        for i in range(n):
            for g in range(groups):
                image = x + size * (i * groups + g) * channels * h * w
                columns(image, c, channels, h, w, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw)
                to = out + size * (i * filters + g * m) * windows
                gemm(letter, "n", "n", windows, m, k, c, windows, f + size * g * m * k, k, 0.0, to, windows)
        return 0

    @native
    def conv_image(y, f, x, c, n, channels, h, w, filters, groups, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw):
        """Bring cotangents of windows back to the images."""
        apart()
        k, m, windows = channels * kh * kw, filters // groups, oh * ow
        for i in range(n):
            for g in range(groups):
                come = y + size * (i * filters + g * m) * windows
                gemm(letter, "n", "t", windows, k, m, come, windows, f + size * g * m * k, k, 0.0, c, windows)
                image = x + size * (i * groups + g) * channels * h * w
                uncolumns(c, image, channels, h, w, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw)
        return 0

    @native
    def conv_filters(x, y, f, c, n, channels, h, w, filters, groups, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw):
        """Sum cotangents times windows."""
        apart()
        k, m, windows = channels * kh * kw, filters // groups, oh * ow
        for i in range(n):
            for g in range(groups):
                image = x + size * (i * groups + g) * channels * h * w
                columns(image, c, channels, h, w, kh, kw, oh, ow, sh, sw, dh, dw, ph, pw)
                come = y + size * (i * filters + g * m) * windows
                beta = 0.0 if i == 0 else 1.0
                gemm(letter, "t", "n", k, m, windows, c, windows, come, windows, beta, f + size * g * m * k, k)
        return 0

    @native
    def pool_max(x, out, n, h, w, kh, kw, oh, ow, sh, sw):
        """Largest element of each window of n planes."""
        apart()
        p = at(x, dtype, 0, 0, 1)
        q = at(out, dtype, 0, 0, 1)
        for i in range(n):
            for oy in range(oh):
                to = (i * oh + oy) * ow
                for ox in range(ow):
                    q[to + ox] = p[(i * h + oy * sh) * w + ox * sw]
                for ky in range(kh):
                    for kx in range(kw):
                        come = (i * h + oy * sh + ky) * w + kx
                        for ox in range(ow):
                            a = q[to + ox]
                            b = p[come + ox * sw]
                            q[to + ox] = b if (b > a or b != b) else a
        return 0

    @native
    def unpool_max(g, x, top, out, n, h, w, kh, kw, oh, ow, sh, sw):
        """Give each window's cotangent to its largest element; elements that tie share it."""
        apart()
        p = at(x, dtype, 0, 0, 1)
        q = at(top, dtype, 0, 0, 1)
        r = at(g, dtype, 0, 0, 1)
        o = at(out, dtype, 0, 0, 1)
        for i in range(n):
            for j in range(h * w):
                o[i * h * w + j] = real(0)
            for oy in range(oh):
                for ox in range(ow):
                    at_window = (i * oh + oy) * ow + ox
                    best = q[at_window]
                    first = (i * h + oy * sh) * w + ox * sw
                    ties = real(0)
                    for ky in range(kh):
                        for kx in range(kw):
                            ties += real(1) if p[first + ky * w + kx] == best else real(0)
                    share = r[at_window] * (real(1) / ties)
                    for ky in range(kh):
                        for kx in range(kw):
                            j = first + ky * w + kx
                            o[j] += share if p[j] == best else r[at_window] * (real(0) / ties)
        return 0

    @native
    def unpool_max_22(g, x, out, n, h, w):
        """The same for windows of 2 by 2 that do not overlap and cover everything."""
        apart()
        p = at(x, dtype, 0, 0, 3)
        r = at(g, dtype, 0, 1, 3)
        o = at(out, dtype, 0, 2, 3)
        one, zero = real(1), real(0)
        half = w // 2
        for i in range(n * (h // 2)):
            upper = 2 * i * w
            lower = upper + w
            for ox in range(half):
                a = p[upper + 2 * ox]
                b = p[upper + 2 * ox + 1]
                c = p[lower + 2 * ox]
                d = p[lower + 2 * ox + 1]
                best = maximum(maximum(a, b), maximum(c, d))
                in_a = select(a == best, one, zero)
                in_b = select(b == best, one, zero)
                in_c = select(c == best, one, zero)
                in_d = select(d == best, one, zero)
                share = r[i * half + ox] / ((in_a + in_b) + (in_c + in_d))
                o[upper + 2 * ox] = in_a * share
                o[upper + 2 * ox + 1] = in_b * share
                o[lower + 2 * ox] = in_c * share
                o[lower + 2 * ox + 1] = in_d * share
        return 0

    known = (conv, conv_image, conv_filters, pool_max, unpool_max, unpool_max_22)
    return {f"{f.__name__}_{letter}": f for f in known}


WINDOWS = made("float32", "s") | made("float64", "d")
"""The functions by name, with the letter of BLAS for their dtype."""
