"""Small changes to a module, one at a time: what tests should notice."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
#: Functions and methods that are mistaken for each other.
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "ceil": "floor",
    "floor": "ceil",
    "zeros": "ones",
    "ones": "zeros",
}
#: Functions that are forgotten: their argument takes their place.
_FORGOTTEN = {"abs", "sorted", "reversed", "round", "clamp", "clip", "fsum", "exp", "log", "sqrt"}
#: Functions whose text is for readers only.
_TEXTS = {"__repr__", "__str__", "_repr_html_"}


@dataclass(frozen=True)
class Place:
    """A node and where it hangs; `index` is its position in a list of nodes."""

    node: ast.AST
    parent: ast.AST
    field: str
    index: int | None
    function: str

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


@dataclass(frozen=True)
class Mutant:
    """One change. `name` says what is changed and does not depend on line numbers."""

    name: str
    line: int
    place: Place
    changed: ast.AST
    tree: ast.Module

    def compile(self, path: str) -> CodeType:
        """The code of the changed module; the tree is as before afterwards."""
        self.place.put(self.changed)
        try:
            return compile(ast.fix_missing_locations(self.tree), path, "exec")
        finally:
            self.place.put(self.place.node)


def mutants_of(source: str) -> list[Mutant]:
    """All changes of a module, in the order of its lines."""
    tree = ast.parse(source)
    mutants = []
    repeats = Counter[str]()
    for place in _places(tree, ""):
        for changed in _changes(place):
            ast.copy_location(changed, place.node)
            name = f"{place.function}: {_text(place.node)} -> {_text(changed)}"
            repeats[name] += 1
            if repeats[name] > 1:
                name += f" (number {repeats[name]})"
            mutants.append(Mutant(name, getattr(place.node, "lineno", 0), place, changed, tree))
    return mutants


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 160 else f"{text[:80]} ... {text[-70:]}"


def _places(parent: ast.AST, function: str) -> Iterator[Place]:
    """The nodes whose change can matter: no annotations, decorators, messages or texts."""
    for field, value in ast.iter_fields(parent):
        if field in ("annotation", "returns", "decorator_list", "type_params", "bases"):
            continue
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or _is_left_alone(node):
                continue
            name = function
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                name = f"{function}.{node.name}".lstrip(".")
            if isinstance(node, ast.expr | ast.stmt | ast.comprehension):
                yield Place(node, parent, field, index, name)
            yield from _places(node, name)


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef) and node.name in _TEXTS:
        return True
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring, or the dots of a protocol
    if isinstance(node, ast.Assign) and _is_alias(node.value):
        return True  # a name for a type
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True  # it only finds mistakes in the code itself
    return isinstance(
        node,
        ast.Raise | ast.Assert | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.expr_context,
    )


def _is_alias(value: ast.expr) -> bool:
    names = {"Literal", "Callable", "Generator", "tuple", "dict"}
    if isinstance(value, ast.BinOp):
        parts = value.left, value.right
        is_union = isinstance(value.op, ast.BitOr) and ast.unparse(value.right)[:1].isupper()
        return any(map(_is_alias, parts)) or (is_union and not any(map(_is_constant, parts)))
    return isinstance(value, ast.Subscript) and ast.unparse(value.value) in names


def _is_constant(value: ast.expr) -> bool:
    return ast.unparse(value).isupper() or isinstance(value, ast.Call | ast.Constant)


def _changes(place: Place) -> Iterator[ast.AST]:
    node = place.node
    match node:
        case ast.Compare(ops=[operator]):
            for other in _COMPARISONS[type(operator)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.Compare(ops=ops):
            for k, operator in enumerate(ops):
                other = _COMPARISONS[type(operator)][0]()
                yield ast.Compare(node.left, [*ops[:k], other, *ops[k + 1 :]], node.comparators)
        case ast.BinOp(left=left, op=operator, right=right):
            if type(operator) in _OPERATORS:
                yield ast.BinOp(left, _OPERATORS[type(operator)](), right)
            if isinstance(
                operator, ast.Add | ast.Sub | ast.Mult | ast.Div | ast.BitOr | ast.BitAnd
            ):
                yield left
            if isinstance(operator, ast.Add | ast.Mult | ast.BitOr | ast.BitAnd):
                yield right
        case ast.BoolOp(op=operator, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(operator, ast.And) else ast.And(), values)
            for k in range(len(values)):
                rest = [*values[:k], *values[k + 1 :]]
                yield ast.BoolOp(operator, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value)) if not isinstance(place.parent, ast.UnaryOp):
            yield ast.Constant(value + 1)
        case ast.Constant(value=float(value)):
            yield ast.Constant(2.0 * value if value else 1.0)
        case ast.If(test=test, body=body, orelse=orelse):
            if not isinstance(test, ast.Compare):
                yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
            yield ast.If(ast.Constant(True), body, orelse)
            yield ast.If(ast.Constant(False), body, orelse)
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.comprehension(ifs=[_, *_]):
            for k in range(len(node.ifs)):
                rest = [*node.ifs[:k], *node.ifs[k + 1 :]]
                yield ast.comprehension(node.target, node.iter, rest, node.is_async)
        case ast.Call():
            yield from _calls(node)
        case ast.AugAssign(target=target, op=operator, value=value):
            if type(operator) in _OPERATORS:
                yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Yield()) | ast.Break() | ast.Continue():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Slice(lower=lower, upper=upper, step=step):
            if lower is not None:
                yield ast.Slice(None, upper, step)
            if upper is not None:
                yield ast.Slice(lower, None, step)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id in _FUNCTIONS:
            yield ast.Call(ast.Name(_FUNCTIONS[function.id], ast.Load()), node.args, node.keywords)
        if function.id in _FORGOTTEN and node.args:
            yield node.args[0]
    if isinstance(function, ast.Attribute):
        if function.attr in _FUNCTIONS:
            other = ast.Attribute(function.value, _FUNCTIONS[function.attr], ast.Load())
            yield ast.Call(other, node.args, node.keywords)
        if function.attr in _FORGOTTEN:
            is_function = isinstance(function.value, ast.Name) and function.value.id in (
                "np",
                "torch",
            )
            if is_function and node.args:
                yield node.args[0]
            elif not is_function:
                yield function.value
    for k, keyword in enumerate(node.keywords):
        if keyword.arg not in (None, "strict", "dtype"):
            yield ast.Call(function, node.args, [*node.keywords[:k], *node.keywords[k + 1 :]])
