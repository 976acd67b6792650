"""Writes scipy.json: evaluations and errors of SciPy's solvers, for `work-precision` to compare with.

    python3 measure_scipy.py > scipy.json        (needs numpy, scipy and mpmath)

Every problem says where its solution at the end is from. An error is the largest of a component at the end,
|y - reference| / (|reference| + floor); evaluations are all calls of the right-hand side, those for Jacobians among them.
"""

import json
import platform
import sys

import mpmath
import numpy
import scipy
from scipy.integrate import solve_ivp


def lotka_volterra(t, y):
    return [y[0] * (1.5 - y[1]), y[1] * (y[0] - 3)]


def lorenz(t, y):
    return [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 * y[2] / 3]


def kepler(t, y):
    square = y[0] * y[0] + y[1] * y[1]
    cube = square * square**0.5
    return [y[2], y[3], -y[0] / cube, -y[1] / cube]


def van_der_pol(t, y):
    return [y[1], 1000 * (1 - y[0] * y[0]) * y[1] - y[0]]


def robertson(t, y):
    slow, fast, back = 0.04 * y[0], 3e7 * y[1] * y[1], 1e4 * y[1] * y[2]
    return [-slow + back, slow - back - fast, fast]


def hires(t, y):
    pair = 280 * y[5] * y[7]
    return [
        -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007,
        1.71 * y[0] - 8.75 * y[1],
        -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4],
        8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3],
        -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6],
        -pair + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6],
        pair - 1.81 * y[6],
        -pair + 1.81 * y[6],
    ]


def oregonator(t, y):
    return [
        77.27 * (y[1] + y[0] * (1 - 8.375e-6 * y[0] - y[1])),
        (y[2] - (1 + y[0]) * y[1]) / 77.27,
        0.161 * (y[0] - y[2]),
    ]


def pollution(t, y):
    r = [
        0.35 * y[0], 26.6 * y[1] * y[3], 1.23e4 * y[4] * y[1], 8.6e-4 * y[6], 8.2e-4 * y[6],
        1.5e4 * y[6] * y[5], 1.3e-4 * y[8], 2.4e4 * y[8] * y[5], 1.65e4 * y[10] * y[1], 9e3 * y[10] * y[0],
        0.022 * y[12], 1.2e4 * y[9] * y[1], 1.88 * y[13], 1.63e4 * y[0] * y[5], 4.8e6 * y[2],
        3.5e-4 * y[3], 0.0175 * y[3], 1e8 * y[15], 4.44e11 * y[15], 1.24e3 * y[16] * y[5],
        2.1 * y[18], 5.78 * y[18], 0.0474 * y[0] * y[3], 1.78e3 * y[18] * y[0], 3.12 * y[19],
    ]  # fmt: skip
    return [
        -r[0] - r[9] - r[13] - r[22] - r[23] + r[1] + r[2] + r[8] + r[10] + r[11] + r[21] + r[24],
        -r[1] - r[2] - r[8] - r[11] + r[0] + r[20],
        -r[14] + r[0] + r[16] + r[18] + r[21],
        -r[1] - r[15] - r[16] - r[22] + r[14],
        -r[2] + 2 * r[3] + r[5] + r[6] + r[12] + r[19],
        -r[5] - r[7] - r[13] - r[19] + r[2] + 2 * r[17],
        -r[3] - r[4] - r[5] + r[12],
        r[3] + r[4] + r[5] + r[6],
        -r[6] - r[7],
        -r[11] + r[6] + r[8],
        -r[8] - r[9] + r[7] + r[10],
        r[8],
        -r[10] + r[9],
        -r[12] + r[11],
        r[13],
        -r[17] - r[18] + r[15],
        -r[19],
        r[19],
        -r[20] - r[21] - r[23] + r[22] + r[24],
        -r[24] + r[23],
    ]


def akzo_nobel(t, y):
    root = max(y[1], 0) ** 0.5
    r1 = 18.7 * y[0] ** 4 * root
    r2 = 0.58 * y[2] * y[3]
    r3 = 0.58 / 34.4 * y[0] * y[4]
    r4 = 0.09 * y[0] * y[3] ** 2
    r5 = 0.42 * (115.83 * y[0] * y[3]) ** 2 * root
    inflow = 3.3 * (0.9 / 737 - y[1])
    return [-2 * r1 + r2 - r3 - r4, -0.5 * r1 - r4 - 0.5 * r5 + inflow, r1 - r2 + r3, -r2 + r3 - 2 * r4, r2 - r3 + r5]


TEST_SET = "Mazzia and Magherini, Test Set for Initial Value Problem Solvers, release 2.4 (2008)"
EXTRAPOLATION = "extrapolation of order 24 in 40 digits"

NON_STIFF = dict(
    stiff=False, solvers=["RK45", "DOP853", "LSODA"], finest=10, atol=1, floor=1, source=EXTRAPOLATION
)
STIFF = dict(stiff=True, solvers=["Radau", "LSODA"], finest=9, floor=0, source=TEST_SET)

# Tolerances are rtol and atol · rtol, with rtol from 1e-3 to 1e-`finest`. "tuned": whether the project's own methods
# were tuned with the problem in view.
PROBLEMS = [
    dict(NON_STIFF, name="Lotka-Volterra", rhs=lotka_volterra, initial=[10, 5], end=10),
    dict(NON_STIFF, name="Lorenz", rhs=lorenz, initial=[1, 1, 1], end=10),
    dict(NON_STIFF, name="Kepler", rhs=kepler, initial=[0.5, 0, 0, 3**0.5], end=20),
    dict(
        STIFF, name="van der Pol", rhs=van_der_pol, initial=[2, 0], end=2000, atol=1e-3, tuned=True,
        reference=[1.706167732170469, -8.928097010248257e-4],
    ),
    dict(
        STIFF, name="Robertson", rhs=robertson, initial=[1, 0, 0], end=1e11, atol=1e-8, tuned=True,
        reference=[2.083340149701255e-8, 8.333360770334713e-14, 0.999999979166505],
    ),
    dict(
        STIFF, name="HIRES", rhs=hires, initial=[1, 0, 0, 0, 0, 0, 0, 0.0057], end=321.8122, atol=1e-4, tuned=True,
        reference=[
            0.7371312573325668e-3, 0.1442485726316185e-3, 0.5888729740967575e-4, 0.1175651343283149e-2,
            0.2386356198831331e-2, 0.6238968252742796e-2, 0.2849998395185769e-2, 0.2850001604814231e-2,
        ],
    ),
    dict(
        STIFF, name="Oregonator", rhs=oregonator, initial=[1, 2, 3], end=360, atol=1e-2, tuned=True,
        reference=[1.000814870318523, 1228.178521549917, 132.0554942846706],
    ),
    dict(
        STIFF, name="pollution", rhs=pollution, end=60, atol=1e-8, floor=1e-8,
        initial=[0, 0.2, 0, 0.04, 0, 0, 0.1, 0.3, 0.01, 0, 0, 0, 0, 0, 0, 0, 0.007, 0, 0, 0],
        reference=[
            0.5646255480022769e-1, 0.1342484130422339, 0.4139734331099427e-8, 0.5523140207484359e-2,
            0.2018977262302196e-6, 0.1464541863493966e-6, 0.7784249118997964e-1, 0.3245075353396018,
            0.7494013383880406e-2, 0.1622293157301561e-7, 0.1135863833257075e-7, 0.2230505975721359e-2,
            0.2087162882798630e-3, 0.1396921016840158e-4, 0.8964884856898295e-2, 0.4352846369330103e-17,
            0.6899219696263405e-2, 0.1007803037365946e-3, 0.1772146513969984e-5, 0.5682943292316392e-4,
        ],
    ),
    # The algebraic equation y6 = Ks y1 y4 is put into the others.
    dict(
        STIFF, name="Akzo Nobel", rhs=akzo_nobel, initial=[0.444, 0.00123, 0, 0.007, 0], end=180, atol=1e-4,
        reference=[
            0.1150794920661702, 0.1203831471567715e-2, 0.1611562887407974, 0.3656156421249283e-3,
            0.1708010885264404e-1,
        ],
    ),
]  # fmt: skip


def extrapolated(rhs, initial, end, step=0.05):
    """The state at the end by the extrapolated modified midpoint rule of Gragg, Bulirsch and Stoer."""
    numbers = [2 * (k + 1) for k in range(12)]
    y, t, steps = [mpmath.mpf(x) for x in initial], mpmath.mpf(0), round(end / step)
    large = mpmath.mpf(end) / steps
    add = lambda y, h, slope: [a + h * b for a, b in zip(y, slope)]
    for _ in range(steps):
        rows = []
        for k, number in enumerate(numbers):
            h = large / number
            before, now = y, add(y, h, rhs(t, y))
            for j in range(1, number):
                before, now = now, add(before, 2 * h, rhs(t + j * h, now))
            ends = add(before, h, rhs(t + large, now))
            row = [[(a + b) / 2 for a, b in zip(now, ends)]]
            for j in range(1, k + 1):
                ratio = mpmath.mpf(number) / numbers[k - j]
                row.append([a + (a - b) / (ratio * ratio - 1) for a, b in zip(row[j - 1], rows[k - 1][j - 1])])
            rows.append(row)
        y, t = rows[-1][-1], t + large
    return y


def reference_of(problem):
    if "reference" in problem:
        return problem["reference"]
    with mpmath.workdps(40):
        initial = problem["initial"]
        coarse = extrapolated(problem["rhs"], initial, problem["end"])
        fine = extrapolated(problem["rhs"], initial, problem["end"], 0.025)
        assert all(abs(a - b) < 1e-16 * (1 + abs(b)) for a, b in zip(coarse, fine)), (coarse, fine)
        return [float(x) for x in fine]


def point(problem, reference, solver, rtol):
    """rtol, evaluations and error of one solve; none if it failed."""
    evaluations = 0

    def counted(t, y):
        nonlocal evaluations
        evaluations += 1
        return problem["rhs"](t, y)

    span = (0, problem["end"])
    solution = solve_ivp(counted, span, problem["initial"], method=solver, rtol=rtol, atol=problem["atol"] * rtol)
    if not solution.success:
        return None
    errors = [abs(a - b) / (abs(b) + problem["floor"]) for a, b in zip(solution.y[:, -1], reference)]
    return {"rtol": float(rtol), "nfe": evaluations, "error": float(f"{max(errors):.3e}")}


def main():
    problems = []
    for problem in PROBLEMS:
        reference = reference_of(problem)
        curves = []
        for solver in problem["solvers"]:
            tolerances = [float(f"{10 ** (-half / 2):.4e}") for half in range(6, 2 * problem["finest"] + 1)]
            points = [point(problem, reference, solver, rtol) for rtol in tolerances]
            curves.append({"solver": solver, "points": [point for point in points if point is not None]})
            print(problem["name"], solver, len(curves[-1]["points"]), file=sys.stderr)
        kept = ("name", "stiff", "initial", "end", "atol", "floor", "source")
        described = {key: problem[key] for key in kept}
        problems.append(described | {"tuned": problem.get("tuned", False), "reference": reference, "curves": curves})
    versions = {"python": platform.python_version(), "numpy": numpy.__version__, "scipy": scipy.__version__}
    print(json.dumps({"versions": versions, "problems": problems}, indent=1))


main()
