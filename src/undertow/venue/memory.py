"""How compiled kernels see the venue's memory: one pointer, no reference counting, no copying.

Holds the Numba type of a `Memory`: an object that owns named arrays and a small table of their addresses. A
kernel receives the table's address and reads `memory.name` as an array view. Holds no venue concept.

Why: a kernel that takes two dozen arrays as a tuple spends more time passing them on than working (measured:
0.7 M commands a second against 20 M with this type), and compiles several times slower.

A kernel that finds one of the arrays in `GROWS` full asks for a larger one with `enlarge` and goes on: the
table's last word is the address of a function that calls back into Python. All other arrays stay where they
are while a kernel runs, so a kernel may keep a view of their records.

Invariants: the table always holds the current address and shape of every array (`bind` is the only writer),
arrays are C-contiguous, an index counts from the front (kernels do not wrap negative ones), and a kernel
never outlives its `Memory`.
"""

from __future__ import annotations

import ctypes
import operator
from typing import Any, ClassVar
from weakref import WeakValueDictionary

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    models,
    register_model,
    unbox,
)
from numba.np.arrayobj import getitem_arraynd_intp, make_array, populate_array, setitem_array
from numpy.typing import NDArray

WORDS = 3  # table words of one array: address, first and second dimension
CACHE_LINE = 64


def aligned_zeros(count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """`count` zero records that start on a cache line, so that one of 64 bytes never straddles two."""
    room = np.zeros(count * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + count * dtype.itemsize].view(dtype)


class Memory:
    """Named, typed, C-contiguous arrays with a stable table of addresses.

    Subclasses set `LAYOUT`: name -> (dtype, number of dimensions). Arrays are read as attributes and replaced
    with `bind`, which checks dtype, dimensions and contiguity. Copies and pickles carry the arrays only.
    """

    LAYOUT: ClassVar[dict[str, tuple[np.dtype[Any], int]]] = {}
    GROWS: ClassVar[frozenset[str]] = frozenset()  # may be replaced by a larger one while a kernel runs
    _numba_type_: ClassVar[Any] = None

    def __init__(self) -> None:
        self.table = np.zeros(len(self.LAYOUT) * WORDS + 1, np.int64)
        self.table[-1] = _ANSWER_ADDRESS
        self.address = self.table.ctypes.data  # what a kernel receives
        self.interrupted = False  # a user's interruption arrived while a kernel waited for room
        _living[self.address] = self

    def __init_subclass__(cls) -> None:
        cls._numba_type_ = _MemoryType(cls)  # found here by Numba without a search, at every call of a kernel

    def __getstate__(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.LAYOUT}

    def __setstate__(self, arrays: dict[str, NDArray[Any]]) -> None:
        Memory.__init__(self)
        for name, array in arrays.items():
            self.bind(name, array)

    def bind(self, name: str, array: NDArray[Any]) -> None:
        """Make `array` the memory behind `name` from the next kernel call on."""
        dtype, dimensions = self.LAYOUT[name]
        if array.dtype != dtype or array.ndim != dimensions or not array.flags.c_contiguous:
            raise TypeError(f"{name} is a C-contiguous array of {dimensions} dimension(s) of {dtype}")
        setattr(self, name, array)
        start = list(self.LAYOUT).index(name) * WORDS
        self.table[start] = array.ctypes.data
        self.table[start + 1 : start + 1 + dimensions] = array.shape

    def grow(self, name: str, capacity: int) -> None:
        """Give a one-dimensional array room for `capacity` records, the new ones zero; by half at least."""
        array = getattr(self, name)
        if capacity > len(array):
            larger = aligned_zeros(max(capacity, len(array) + len(array) // 2), array.dtype)
            used = self.used(name)
            larger[:used] = array[:used]
            self.bind(name, larger)

    def used(self, name: str) -> int:
        """How many records at the front of an array are in use; the others are zero."""
        return len(getattr(self, name))


_living: WeakValueDictionary[int, Memory] = WeakValueDictionary()  # by the address a kernel has


def _answer(address: int, place: int, capacity: int) -> int:
    """Room for a running kernel: 1 once the array at this place of the layout has it, 0 if it cannot.

    An interruption waits until the kernel is done: whoever called it looks at `interrupted`.
    """
    memory = _living[address]
    name = list(memory.LAYOUT)[place]
    while name in memory.GROWS and len(getattr(memory, name)) < capacity:
        try:
            memory.grow(name, capacity)
        except KeyboardInterrupt:
            memory.interrupted = True
        except MemoryError:
            return 0
    return int(name in memory.GROWS)


_CALLED = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(_answer)
_ANSWER_ADDRESS = ctypes.cast(_CALLED, ctypes.c_void_p).value or 0


class _MemoryType(types.Type):
    """The Numba type of one Memory class."""

    def __init__(self, owner: type[Memory]) -> None:
        super().__init__(name=f"Memory({owner.__module__}.{owner.__qualname__})")
        self.owner = owner

    def array_type(self, name: str) -> Any:
        dtype, dimensions = self.owner.LAYOUT[name]
        return _Column(numba.from_dtype(dtype), dimensions, "C", name=f"{self.name}.{name}")


class _Column(types.Array):
    """An array of a Memory: indices count from the front only, so that none needs a test for its sign."""


register_model(_Column)(models.ArrayModel)


@lower_builtin(operator.getitem, _Column, types.Integer)  # type: ignore[untyped-decorator]
def _getitem(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return getitem_arraynd_intp(context, builder, *_from_the_front(context, builder, signature, arguments))


@lower_builtin(operator.setitem, _Column, types.Integer, types.Any)  # type: ignore[untyped-decorator]
def _setitem(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return setitem_array(context, builder, *_from_the_front(context, builder, signature, arguments))


def _from_the_front(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The same signature and arguments with the index unsigned."""
    array, index, *rest = arguments
    index = context.cast(builder, index, signature.args[1], types.int64)
    kinds = (signature.args[0], types.uint64, *signature.args[2:])
    return signature.replace(args=kinds), (array, index, *rest)


register_model(_MemoryType)(models.OpaqueModel)


@unbox(_MemoryType)  # type: ignore[untyped-decorator]
def _unbox(_type: Any, value: Any, context: Any) -> Any:
    address = context.pyapi.object_getattr_string(value, "address")
    number = context.pyapi.long_as_ulonglong(address)
    context.pyapi.decref(address)
    return NativeValue(context.builder.inttoptr(number, cgutils.voidptr_t))


@infer_getattr
class _MemoryAttributes(AttributeTemplate):  # type: ignore[misc]
    key = _MemoryType

    def generic_resolve(self, owner: Any, attribute: str) -> Any:
        return owner.array_type(attribute) if attribute in owner.owner.LAYOUT else None


@lower_getattr_generic(_MemoryType)  # type: ignore[untyped-decorator]
def _lower_attribute(context: Any, builder: Any, owner: Any, value: Any, attribute: str) -> Any:
    array_type = owner.array_type(attribute)
    start = list(owner.owner.LAYOUT).index(attribute) * WORDS
    table = builder.bitcast(value, ir.IntType(64).as_pointer())
    load = _load if attribute in owner.owner.GROWS else _load_constant
    word = [load(builder, table, start + k) for k in range(array_type.ndim + 1)]
    array = make_array(array_type)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
    if isinstance(array_type.dtype, types.Record):
        size = array_type.dtype.size
    itemsize = ir.Constant(ir.IntType(64), size)
    strides = [itemsize]
    if array_type.ndim == 2:
        strides = [builder.mul(word[2], itemsize), itemsize]
    populate_array(
        array,
        data=builder.inttoptr(word[0], array.data.type),
        shape=word[1:],
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()


def _load(builder: Any, table: Any, position: int) -> Any:
    """Read one table word."""
    return builder.load(builder.gep(table, [ir.Constant(ir.IntType(64), position)]))


def _load_constant(builder: Any, table: Any, position: int) -> Any:
    """Read one table word; it cannot change while a kernel runs, and LLVM is told so."""
    loaded = _load(builder, table, position)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def _length_of(_context: Any, memory: Any, place: Any) -> Any:
    """How `length_of` is typed and compiled: a load from the table."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        table = builder.bitcast(arguments[0], word.as_pointer())
        start = builder.mul(arguments[1], ir.Constant(word, WORDS))
        return builder.load(builder.gep(table, [builder.add(start, ir.Constant(word, 1))]))

    return types.int64(memory, types.int64), generate


def _length_plainly(memory: Any, place: int) -> int:
    return len(getattr(memory, list(memory.LAYOUT)[place]))


def _enlarge(_context: Any, memory: Any, place: Any, capacity: Any) -> Any:
    """How a kernel's call of `enlarge` is typed and compiled: a call of the address in the last word."""

    def generate(_codegen: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        table = builder.bitcast(arguments[0], word.as_pointer())
        kind = ir.FunctionType(word, [word, word, word]).as_pointer()
        answer = builder.inttoptr(_load(builder, table, len(memory.owner.LAYOUT) * WORDS), kind)
        return builder.call(answer, [builder.ptrtoint(arguments[0], word), *arguments[1:]])

    return types.int64(memory, types.int64, types.int64), generate


def _enlarge_plainly(memory: Any, place: int, capacity: int) -> int:
    """`enlarge` where kernels run as plain Python."""
    return int(_answer(memory.address, int(place), int(capacity)))


# length_of(memory, place): records of the array at this place of the layout.
# enlarge(memory, place, capacity): 1 once it has room for `capacity`, 0 if it cannot grow while a kernel runs
# or there is no memory left.
length_of: Any = _length_plainly if numba.config.DISABLE_JIT else intrinsic(_length_of)
enlarge: Any = _enlarge_plainly if numba.config.DISABLE_JIT else intrinsic(_enlarge)
