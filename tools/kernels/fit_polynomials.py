#!/usr/bin/env python3
"""Prints the minimax coefficients of src/kernels/generic/math-inl.h (Remez exchange, plain Python floats).

exp:   e^r   = 1 + r + r^2 q(r),   |r| <= ln(2)/2, relative error
tanh:  tanh v = v + v^3 q(v^2),    |v| <= 0.625,   relative error
"""
import math


def solve(a, b):
    """Gaussian elimination with partial pivoting."""
    n = len(b)
    a = [row[:] + [v] for row, v in zip(a, b)]
    for i in range(n):
        p = max(range(i, n), key=lambda r: abs(a[r][i]))
        a[i], a[p] = a[p], a[i]
        for r in range(i + 1, n):
            f = a[r][i] / a[i][i]
            for c in range(i, n + 1):
                a[r][c] -= f * a[i][c]
    x = [0.0] * n
    for i in reversed(range(n)):
        x[i] = (a[i][n] - sum(a[i][c] * x[c] for c in range(i + 1, n))) / a[i][i]
    return x


def remez(target, weight, low, high, degree, steps=30, grid=4000):
    """q of `degree` that minimises max |weight * (q - target)| on [low, high]; returns (coefficients, that maximum)."""
    n = degree + 2
    points = [(low + high) / 2 - (high - low) / 2 * math.cos(math.pi * (i + 0.5) / n) for i in range(n)]
    xs = [low + (high - low) * i / grid for i in range(grid + 1)]
    for _ in range(steps):
        rows = [[x**j for j in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(points)]
        q = solve(rows, [target(x) for x in points])[:-1]
        errors = [weight(x) * (sum(c * x**j for j, c in enumerate(q)) - target(x)) for x in xs]
        # The largest error of each run of one sign; the longest alternating stretch keeps the n largest neighbours.
        extrema = []
        for x, e in zip(xs, errors):
            if extrema and (e < 0) == (extrema[-1][1] < 0):
                if abs(e) > abs(extrema[-1][1]):
                    extrema[-1] = (x, e)
            else:
                extrema.append((x, e))
        while len(extrema) > n:
            extrema.pop(0 if abs(extrema[0][1]) < abs(extrema[-1][1]) else -1)
        if len(extrema) < n:
            break
        points = [x for x, _ in extrema]
    return q, max(abs(e) for e in errors)


def series(x, terms):
    return sum(t * x**i for i, t in enumerate(terms))


def exp_rest(r):  # (e^r - 1 - r) / r^2
    if abs(r) < 0.05:
        return series(r, [1 / math.factorial(i + 2) for i in range(8)])
    return (math.expm1(r) - r) / (r * r)


def tanh_rest(z):  # (tanh v - v) / v^3, z = v^2
    if z < 0.01:
        return series(z, [-1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925, 21844 / 6081075])
    v = math.sqrt(z)
    return (math.tanh(v) - v) / (v * z)


half = math.log(2) / 2 * 1.0001
for name, q, error in (
    ("exp", *remez(exp_rest, lambda r: r * r / math.exp(r) + 1e-12, -half, half, 4)),
    ("tanh", *remez(tanh_rest, lambda z: z * math.sqrt(z) / math.tanh(math.sqrt(z)) if z else 1e-12, 1e-9, 0.625**2, 4)),
):
    print(f"{name}: relative error {error:.3g}")
    for i, c in enumerate(q):
        print(f"  c{i} = {c:.9e}f")
