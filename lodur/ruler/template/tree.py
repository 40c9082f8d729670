"""What a template says, as a tree; made from the words of a text that `check_template` has found right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from lodur.logql.template_lexer import Word, WordKind, lex_template
from lodur.model.go_strings import unquote
from lodur.ruler.template.values import Value


@dataclass(frozen=True, slots=True)
class Constant:
    value: Value


@dataclass(frozen=True, slots=True)
class Dot:
    """The value that the template, or the part of it, is given."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function; its arguments are the operands that follow it."""

    name: str


@dataclass(frozen=True, slots=True)
class Path:
    """Fields of a value, one below the other."""

    of: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Each command is given the result of the one before as its last argument; variables take the last one's."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


Operand: TypeAlias = Constant | Dot | Variable | Call | Path | Pipeline


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Output:
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    pipeline: Pipeline
    body: Body
    otherwise: Body


@dataclass(frozen=True, slots=True)
class With:
    pipeline: Pipeline
    body: Body
    otherwise: Body


@dataclass(frozen=True, slots=True)
class Range:
    pipeline: Pipeline
    body: Body
    otherwise: Body


@dataclass(frozen=True, slots=True)
class Invocation:
    """Another template, filled in here."""

    name: str
    pipeline: Pipeline | None


@dataclass(frozen=True, slots=True)
class LeaveLoop:
    is_continue: bool


Item: TypeAlias = Text | Output | If | With | Range | Invocation | LeaveLoop
Body: TypeAlias = tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A body, and the templates that are defined along with it."""

    body: Body
    defined: dict[str, Body]


def parse_template(text: str) -> Template:
    """The tree of a text that is a template, as `check_template` says."""
    builder = _Builder(lex_template(text))
    body, _ = builder.body()
    return Template(body, builder.defined)


_FLOAT_MARKS = frozenset(".eEpP")


@dataclass(slots=True)
class _Builder:
    words: list[Word]
    at: int = 0
    defined: dict[str, Body] = field(default_factory=dict)

    def body(self) -> tuple[Body, str]:
        """The items up to `end`, `else` or the end of the text, which is taken; and which it was."""
        items: list[Item] = []
        while (word := self._take()).kind is not WordKind.EOF:
            if word.kind is WordKind.TEXT:
                items.append(Text(word.text))
                continue
            kind = self._solid().kind
            if kind is WordKind.END:
                self._take_up_to_close()
                return tuple(items), "end"
            if kind is WordKind.ELSE:
                self._take()
                if self._solid().kind is WordKind.CLOSE:
                    self._take()
                return tuple(items), "else"
            item = self._item(kind)
            if item is not None:
                items.append(item)
        return tuple(items), "EOF"

    def _item(self, kind: WordKind) -> Item | None:
        match kind:
            case WordKind.IF | WordKind.WITH | WordKind.RANGE:
                return self._control()
            case WordKind.BREAK | WordKind.CONTINUE:
                self._take_up_to_close()
                return LeaveLoop(kind is WordKind.CONTINUE)
            case WordKind.DEFINE:
                self._take()
                name = self._name()
                self._take_up_to_close()
                self.defined[name] = self.body()[0]
                return None
            case WordKind.BLOCK | WordKind.TEMPLATE:
                self._take()
                name = self._name()
                pipeline = None
                if self._solid().kind is WordKind.CLOSE:
                    self._take()
                else:
                    pipeline = self._pipeline(WordKind.CLOSE)
                if kind is WordKind.BLOCK:
                    self.defined[name] = self.body()[0]
                return Invocation(name, pipeline)
            case _:
                return Output(self._pipeline(WordKind.CLOSE))

    def _control(self) -> Item:
        kind = self._take().kind
        pipeline = self._pipeline(WordKind.CLOSE)
        body, ending = self.body()
        otherwise: Body = ()
        if ending == "else":
            if kind is not WordKind.RANGE and self._solid().kind is kind:
                otherwise = (self._control(),)
            else:
                otherwise, _ = self.body()
        match kind:
            case WordKind.IF:
                return If(pipeline, body, otherwise)
            case WordKind.WITH:
                return With(pipeline, body, otherwise)
            case _:
                return Range(pipeline, body, otherwise)

    def _pipeline(self, end: WordKind) -> Pipeline:
        variables, declares = self._variables()
        commands: list[Command] = []
        operands: list[Operand] = []
        while True:
            word = self._solid()
            if word.kind is end or word.kind is WordKind.PIPE:
                self._take()
                commands.append(Command(tuple(operands)))
                operands = []
                if word.kind is end:
                    return Pipeline(tuple(commands), variables, declares)
                continue
            operands.append(self._operand())

    def _variables(self) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        before = self.at
        while self._solid().kind is WordKind.VARIABLE:
            names.append(self._take().text)
            sign = self._solid()
            if sign.kind in (WordKind.ASSIGN, WordKind.DECLARE):
                self._take()
                return tuple(names), sign.kind is WordKind.DECLARE
            if sign.text != ",":
                break
            self._take()
        self.at = before
        return (), False

    def _operand(self) -> Operand:
        operand = self._term()
        names: list[str] = []
        while self.words[self.at].kind is WordKind.FIELD:
            names.append(self._take().text[1:])
        if isinstance(operand, Path):
            return Path(operand.of, (*operand.names, *names))
        return Path(operand, tuple(names)) if names else operand

    def _term(self) -> Operand:
        self._solid()
        word = self._take()
        match word.kind:
            case WordKind.LEFT_PAREN:
                return self._pipeline(WordKind.RIGHT_PAREN)
            case WordKind.FIELD:
                return Path(Dot(), (word.text[1:],))
            case WordKind.DOT:
                return Dot()
            case WordKind.VARIABLE:
                return Variable(word.text)
            case WordKind.IDENTIFIER:
                return Call(word.text)
            case _:
                return Constant(_constant(word))

    def _name(self) -> str:
        self._solid()
        name = _constant(self._take())
        assert isinstance(name, str)
        return name

    def _solid(self) -> Word:
        while self.words[self.at].kind is WordKind.SPACE:
            self.at += 1
        return self.words[self.at]

    def _take(self) -> Word:
        word = self.words[self.at]
        self.at = min(self.at + 1, len(self.words) - 1)
        return word

    def _take_up_to_close(self) -> None:
        while self._take().kind is not WordKind.CLOSE:
            continue


def _constant(word: Word) -> Value:
    match word.kind:
        case WordKind.STRING:
            return word.text[1:-1].replace("\r", "") if word.text.startswith("`") else unquote(word.text[1:-1])
        case WordKind.BOOL:
            return word.text == "true"
        case WordKind.CHARACTER:
            body = word.text[1:-1]
            return ord(unquote(body.replace("\\'", "'"))[:1] or "\0")
        case WordKind.NUMBER:
            return _number(word.text.replace("_", ""))
        case _:
            return None


def _number(text: str) -> Value:
    digits = text.lstrip("+-").lower()
    sign = -1 if text.startswith("-") else 1
    if digits.startswith("0x") and "p" in digits:
        return sign * float.fromhex(digits)
    if digits.startswith(("0x", "0o", "0b")):
        return sign * int(digits, 0)
    if _FLOAT_MARKS & set(digits):
        return sign * float(digits)
    # A zero in front makes a number octal.
    return sign * int(digits, 8 if digits.startswith("0") and digits.isdigit() else 10)
