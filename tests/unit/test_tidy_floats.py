"""What decides computes the same on every processor: a rule about which float functions it may call.

Exponentials, logarithms and powers of the C library and of NumPy differ in the last digit between processors
and versions, and so do sums whose order a library chooses by the processor. Rooms that decide use `exact`.
Sums of NumPy are pairwise in a fixed order; square roots and the four operations are rounded by IEEE 754.
"""

from __future__ import annotations

import ast

import pytest

from tidy_rules import PACKAGE, label, module_name, python_files, report, syntax

DECIDING = ("crowd", "exact", "feeds", "venue", "world")
LIBRARIES = {"np", "numpy", "math", "cmath", "scipy", "statistics"}
BY_PROCESSOR = {
    *(
        "exp",
        "exp2",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "power",
        "pow",
        "float_power",
        "cbrt",
        *("hypot", "NormalDist", "geometric_mean"),
    ),
    *("sin", "cos", "tan", "asin", "acos", "atan", "atan2", "arcsin", "arccos", "arctan", "arctan2"),
    *("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "erf", "erfc", "gamma", "lgamma", "logaddexp"),
    *("geomspace", "logspace", "dot", "inner", "matmul", "tensordot", "einsum", "vdot", "linalg", "corrcoef"),
    *("cov", "fft", "random", "polyfit", "fsum", "dist"),
}


def is_whole_power(node: ast.BinOp) -> bool:
    """10**decimals, 2**64, 64 ** (2 + LEVELS): a whole number to the power of a whole number."""
    base = node.left.value if isinstance(node.left, ast.Constant) else None
    whole = isinstance(base, int) or (isinstance(base, float) and base == 2.0)
    numbers = [one.value for one in ast.walk(node.right) if isinstance(one, ast.Constant)]
    return whole and all(isinstance(number, int) for number in numbers)


def offences_in(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, what) of every call that another processor may answer otherwise."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in LIBRARIES and node.attr in BY_PROCESSOR:
                found.append((node.lineno, f"{node.value.id}.{node.attr}"))
        elif isinstance(node, ast.ImportFrom) and node.module in LIBRARIES:
            found += [(node.lineno, name.name) for name in node.names if name.name in BY_PROCESSOR]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            found.append((node.lineno, "@"))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not is_whole_power(node):
            found.append((node.lineno, "**"))
        elif isinstance(node, ast.Name) and node.id == "pow":
            found.append((node.lineno, "pow"))
        elif isinstance(node, ast.keyword) and node.arg == "fastmath":
            found.append((node.value.lineno, "fastmath"))
    return found


def test_what_decides_uses_exact_functions() -> None:
    sources = [
        path for path in python_files("src") if module_name(path).split(".")[1:2] in [[r] for r in DECIDING]
    ]
    assert PACKAGE / "crowd" / "makers.py" in sources
    exempt = {PACKAGE / "exact" / "tables.py"}  # powers of decimals, which are exact
    report(
        [
            f"{label(path)}:{line}: {what}; use undertow.exact"
            for path in sources
            if path not in exempt
            for line, what in offences_in(syntax(path))
        ]
    )


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("np.exp(x)", ["np.exp"]),
        ("math.log(x)", ["math.log"]),
        ("from math import erfc", ["erfc"]),
        ("x ** 0.5", ["**"]),
        ("x ** 2", ["**"]),
        ("2.0 ** -0.5", ["**"]),
        ("a @ b", ["@"]),
        ("np.linalg.norm(a)", ["np.linalg"]),
        ("njit(fastmath=True)", ["fastmath"]),
        ("10 ** decimals + 2 ** 64 + 2.0 ** 111", []),
        ("np.sqrt(x) + math.sqrt(y) + np.square(x) + floats.exp(x)", []),
    ],
)
def test_the_rule_recognises(code: str, what: list[str]) -> None:
    assert [name for _line, name in offences_in(ast.parse(code))] == what
