"""A pickle interpreter that imports nothing and calls only functions from a fixed table.

A pickle is a program for a stack machine. Python's own machine imports and calls any function that the file names. Here
a name is either a key of `functions`, which check their arguments, or inert: calling it, or setting its state, makes a
`Record`, which only stores the values. Any other name, and any opcode that the supported files do not need, raises
`RefusedPickle`.

Time and memory are bounded: a file and all files nested in it share one `Budget` of opcodes and bytes of literals.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
from collections.abc import Callable

from digan_jax.errors import InputError

# The released checkpoints take 250,000 opcodes. The largest object that one opcode makes, a record, takes about 100
# bytes, so a file of opcodes alone needs less than half a gigabyte.
MAX_OPCODES = 4_000_000
MAX_NESTING = 500  # open marks; the released checkpoints need 60
_MAX_NAME = 200  # characters of a module's name, and of a name in it
_ENDED = "the pickle ends in the middle or is damaged; get it again"


class RefusedPickle(InputError):
    """A pickle that is damaged or requests something that is not allowed. Readers prefix the message with the path."""


@dataclasses.dataclass(frozen=True)
class Name:
    """A dotted name from the file. It is never imported."""

    path: str


class Record:
    """An object of an unknown class: its class name, arguments, state and items. Compares by identity."""

    __slots__ = ("args", "items", "name", "state")

    def __init__(self, name: str, args: tuple):
        self.name, self.args = name, args
        self.state, self.items = None, []

    def __repr__(self):
        return f"Record({show(self.name)})"  # without its content, which may contain itself


class Budget:
    """The remaining opcodes, and bytes of literals, of a file and all files nested in it."""

    def __init__(self, n_bytes: int):
        self.opcodes, self.bytes = MAX_OPCODES, n_bytes

    def spend(self, arg: object) -> None:
        """Subtracts the size of a literal, or of an argument of a call, which the function may copy.

        Raises:
          RefusedPickle: no bytes are left.
        """
        if isinstance(arg, (bytes, bytearray, str)):
            self.bytes -= len(arg)
        elif isinstance(arg, (list, tuple, dict)):
            self.opcodes -= len(arg)
        if self.bytes < 0:
            raise RefusedPickle("its strings hold more than the file does; it was made to exhaust its reader")


def show(value: object) -> str:
    """A short printable form for messages: strings and numbers, cut to about 100 characters; otherwise the type."""
    if isinstance(value, (Name, Record)):
        return show(value.path if isinstance(value, Name) else value.name)
    if isinstance(value, (str, int, float, bool, type(None))):
        text = ascii(value[:80] if isinstance(value, str) else value)
        return text if len(text) <= 100 else text[:100] + "..."
    return f"a {type(value).__name__}"


def check_key(key: object) -> object:
    """Returns `key` if it is safe as a key of a dict; otherwise raises `RefusedPickle`.

    Hashing a small nested tuple can take exponential time. Integers from 2**61 - 1 on can all have the same hash, which
    makes a dict slow.
    """
    if isinstance(key, (str, float, type(None))) or (isinstance(key, int) and abs(key) < 2**60):
        return key
    raise RefusedPickle(f"it uses {show(key)} as a key; keys are strings and numbers")


class Machine:
    """Runs one pickle.

    Args:
      functions: {dotted name: function}; called with the arguments from the file.
      is_inert: whether a dotted name may become a `Record`.
      budget: limits opcodes and bytes.
      persistent: turns a persistent id (a torch storage) into an object; None: such ids are refused.
    """

    def __init__(
        self,
        functions: dict[str, Callable],
        is_inert: Callable[[str], bool],
        budget: Budget,
        persistent: Callable | None = None,
    ):
        self.functions, self.is_inert, self.budget, self.persistent = functions, is_inert, budget, persistent
        self.stack, self.marks, self.memo = [], [], {}

    def run(self, stream: io.BytesIO) -> object:
        """Reads the pickle at the stream's position, and leaves the position after its last opcode.

        Raises:
          RefusedPickle: the pickle is damaged, exceeds the limits, or requests something that is not allowed.
          IndexError, KeyError, ValueError, …: some damaged pickles; `restricted.blame` catches all types.
        """
        for opcode, arg, _ in pickletools.genops(stream):
            self.budget.opcodes -= 1
            if self.budget.opcodes < 0:
                raise RefusedPickle(
                    "it has more opcodes than any checkpoint we know; it was made to exhaust its reader"
                )
            if arg.__class__ in (str, bytes, bytearray):
                self.budget.spend(arg)
            if opcode.name == "STOP":
                value = self.pop()
                if self.stack or self.marks:
                    raise RefusedPickle(_ENDED)
                return value
            step = _STEPS.get(opcode.name)
            if step is None:
                raise RefusedPickle(f"it uses the pickle opcode {opcode.name}, which no checkpoint needs")
            step(self, arg)
        raise RefusedPickle(_ENDED)

    # ---- the stack ----

    def pop(self) -> object:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise RefusedPickle(_ENDED)
        return self.stack.pop()

    def pop_n(self, n: int) -> tuple:
        return tuple(reversed([self.pop() for _ in range(n)]))

    def pop_mark(self) -> list:
        if not self.marks:
            raise RefusedPickle(_ENDED)
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self) -> object:
        value = self.pop()
        self.stack.append(value)
        return value

    def mark(self, _) -> None:
        if len(self.marks) >= MAX_NESTING:
            raise RefusedPickle(f"it nests deeper than {MAX_NESTING} levels")
        self.marks.append(len(self.stack))

    # ---- containers ----

    def extend(self, values: list) -> None:
        target = self.top()
        if isinstance(target, Record):
            target.items.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise RefusedPickle(f"it appends to {show(target)}")

    def set_items(self, values: list) -> None:
        target = self.top()
        if len(values) % 2 or not isinstance(target, (dict, Record)):
            raise RefusedPickle(f"it sets items of {show(target)}")
        for key, value in zip(values[::2], values[1::2]):
            if isinstance(target, Record):
                target.items.append((key, value))
            else:
                target[check_key(key)] = value

    # ---- names and calls ----

    def find(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise RefusedPickle(_ENDED)
        if max(len(module), len(name)) > _MAX_NAME:
            raise RefusedPickle(f"it asks for a name of more than {_MAX_NAME} characters")
        path = f"{module}.{name}"
        if path not in self.functions and not self.is_inert(path):
            raise RefusedPickle(f"it asks for {show(path)}, which is not among the harmless names that we read")
        self.stack.append(Name(path))

    def call(self, _) -> None:
        callee, args = self.pop_n(2)
        if not (isinstance(callee, Name) and isinstance(args, tuple)):
            raise RefusedPickle(f"it calls {show(callee)}")
        for arg in args:
            self.budget.spend(arg)
        build = self.functions.get(callee.path)
        self.stack.append(Record(callee.path, args) if build is None else build(*args))

    def set_state(self, _) -> None:
        state = self.pop()
        target = self.top()
        if isinstance(target, Record):
            target.state = state
        elif hasattr(target, "take_state"):  # an object under construction of ours, never a class of the file
            target.take_state(state)
        elif not isinstance(target, dict):  # drops attributes of an OrderedDict (torch's `_metadata`)
            raise RefusedPickle(f"it hands a state to {show(target)}")

    def load_persistent(self, _) -> None:
        pid = self.pop()
        if self.persistent is None:
            raise RefusedPickle("it refers to objects outside of the pickle")
        self.stack.append(self.persistent(pid))


def _constant(make):
    return lambda machine, _: machine.stack.append(make())


def _tuple_of(n):
    return lambda machine, _: machine.stack.append(machine.pop_n(n))


_PUSH = lambda machine, arg: machine.stack.append(arg)
# Steps on an empty stack or memo raise IndexError or KeyError; readers report any such error as a damaged file.
_STEPS: dict[str, Callable] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _PUSH),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _PUSH),
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), _PUSH),  # of Python 2, as Latin-1: the weights of LPIPS
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"), _PUSH),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_SET": _constant(list),  # a list, so that members are not hashed
    "MARK": Machine.mark,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_mark())),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": lambda machine, _: machine.extend([machine.pop()]),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.extend(machine.pop_mark())),
    "SETITEM": lambda machine, _: machine.set_items(list(machine.pop_n(2))),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_mark()),
    "MEMOIZE": lambda machine, _: machine.memo.setdefault(len(machine.memo), machine.stack[-1]),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda machine, index: machine.memo.update({index: machine.stack[-1]})),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, index: machine.stack.append(machine.memo[index])),
    "GLOBAL": lambda machine, arg: machine.find(*arg.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.find(*machine.pop_n(2)),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Machine.call),
    "BUILD": Machine.set_state,
    "BINPERSID": Machine.load_persistent,
}
