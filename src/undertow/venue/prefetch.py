"""Asking the processor for memory before it is needed: a hint to kernels that follow links over large arrays.

Holds one intrinsic. It changes no result and may name a record that does not matter.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from undertow.venue.memory import CACHE_LINE

READ, KEEP, DATA = 0, 3, 1  # arguments of llvm.prefetch: read access, all cache levels, data cache


def _nothing(array: Any, position: Any) -> None:
    """What is left of a hint to the processor where kernels are plain Python."""


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(context: Any, array: Any, position: Any) -> Any:
    """Begin to load record `position` of an array, both cache lines if it straddles two."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        start = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        size = signature.args[0].dtype.size if isinstance(signature.args[0].dtype, types.Record) else 8
        last = 0 if CACHE_LINE % size == 0 else size - 1  # such records never straddle two lines
        for offset in sorted({0, last}):
            place = builder.gep(start, [ir.Constant(ir.IntType(64), offset)])
            builder.call(function, [place, *(ir.Constant(word, value) for value in (READ, KEEP, DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


if numba.config.DISABLE_JIT:
    prefetch = _nothing
