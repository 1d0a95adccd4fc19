"""The one door to Numba: a typed `kernel` decorator and a cache that cannot go stale.

Numba's own cache looks only at the file a kernel stands in, so an edit to a helper it calls would go
unnoticed. Here the cache folder is named after a hash of every source file that kernels depend on: any edit
there starts a new folder, an unchanged package loads from the old one. Nothing is compiled at import.

`UNDERTOW_CACHE_DIR` moves the cache; Numba's own `NUMBA_CACHE_DIR` does not. Numba's other switches work:
`NUMBA_BOUNDSCHECK=1` adds index checks, `NUMBA_DISABLE_JIT=1` runs every kernel as the plain Python it is
written in, to the same bytes (`_plain`). The switches that change code are part of the folder's name too:
what was compiled under one setting is never loaded under another.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba.extending import intrinsic

from undertow._cache import KERNELS, PLACE, cache_root, can_be_written, make_private, used_now
from undertow._kernel_cache import SealedCache
from undertow._plain import plain_kernel, plain_zeros
from undertow.errors import InputError

# Numba's settings that change the code of a kernel, by their names in its configuration.
SWITCHES = (
    "BOUNDSCHECK",
    "CPU_FEATURES",
    "CPU_NAME",
    "DEBUGINFO_DEFAULT",
    "DEBUG_ARRAY_OPT_RUNTIME",
    "DISABLE_INTEL_SVML",
    "ENABLE_AVX",
    "EXTEND_VARIABLE_LIFETIMES",
    "FULL_TRACEBACKS",
    "JIT_COVERAGE",
    "LLVM_REFPRUNE_FLAGS",
    "LLVM_REFPRUNE_PASS",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def source_hash() -> str:
    """Sixteen hex digits over every source file that a kernel can depend on, in path order.

    That is the ground, the venue, and whatever else defines kernels; a change of a view or a report compiles
    nothing.
    """
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        if path.parent == root or root / "venue" in path.parents or b"undertow._jit import" in content:
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where kernels are kept that were compiled from this very source under the switches as they are."""
    switches = {name: str(getattr(numba.config, name, None)) for name in SWITCHES}
    key = hashlib.sha256(f"{source_hash()} {switches}".encode()).hexdigest()[:16]
    return cache_root() / f"{KERNELS}{key}"


def is_compiled() -> bool:
    """Whether kernels of this source were compiled before (a first run says so and takes longer)."""
    folder = cache_folder()
    used_now(folder)
    return folder.is_dir() and any(folder.iterdir())


_told = False


def tell_of_compiling(tell: Callable[[str], None] | None = None) -> None:
    """Say once a process, where nothing of this source is compiled, that the first call takes a while.

    `tell` takes the sentence; without it the logger "undertow" does, which shows it unless told otherwise.
    """
    global _told  # noqa: PLW0603 said once, whoever comes first
    if _told or numba.config.DISABLE_JIT or is_compiled():
        return
    _told = True
    sentence = "compiling the engine, the first time only: half a minute to a minute"
    (tell or logging.getLogger("undertow").warning)(sentence)


if not numba.config.DISABLE_JIT:
    if not can_be_written(cache_folder()):
        raise InputError(f"{cache_root()}: cannot be written; set {PLACE} to a folder that you can write")
    make_private(cache_folder())
numba.config.CACHE_DIR = str(cache_folder())


def _widened(kind: Any) -> Any:
    """int64 for every narrower integer, in tuples too, so that inner kernels have one specialisation."""
    if isinstance(kind, numba.types.IntegerLiteral):
        return numba.types.int64
    if isinstance(kind, numba.types.Integer) and kind.bitwidth < 64:
        return numba.types.int64
    if isinstance(kind, numba.types.BaseAnonymousTuple):
        return numba.types.Tuple([_widened(part) for part in kind])
    return kind


def kernel(function: _Function) -> _Function:
    """Compile a plain loop over typed arrays on first use; `kernel(f).py_func` is the plain Python.

    What another kernel calls is compiled apart from what Python calls: without the wrappers that unpack
    Python objects, and with integer arguments widened to int64. Together they halve the time to compile.
    """
    if numba.config.DISABLE_JIT:
        return cast(_Function, plain_kernel(function))
    options = {"error_model": "numpy", "nogil": True}
    jitted = numba.njit(**options)(function)
    jitted._cache = SealedCache(function)
    inner = numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)

    def call_template(arguments: Any, keywords: Any) -> Any:
        return inner.get_call_template([_widened(kind) for kind in arguments], keywords)

    jitted.get_call_template = call_template
    jitted.get_overload = inner.get_overload
    return cast(_Function, jitted)


def _count_zeros(leading: bool) -> Any:
    """An intrinsic that counts zero bits of an int64 from one end (64 for zero)."""
    if numba.config.DISABLE_JIT:
        return plain_zeros(leading)

    def typed(_context: Any, _value: Any) -> Any:
        def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            flag = ir.Constant(ir.IntType(1), 0)
            return builder.ctlz(arguments[0], flag) if leading else builder.cttz(arguments[0], flag)

        return numba.types.int64(numba.types.int64), generate

    return intrinsic(typed)


leading_zeros: Callable[[int], int] = _count_zeros(True)
trailing_zeros: Callable[[int], int] = _count_zeros(False)
