"""Check the syntax of Go text/template, as `line_format` and `label_format` use it.

Only whether a template can be run, with Go's wording of what is wrong: this follows Go's parser step by step, and so
does the one in rust/lodur-kernels/src/pipeline/template, which keeps the tree and runs it. The grammar is
https://pkg.go.dev/text/template. Start at `check_template`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lodur.logql.template_lexer import Word, WordKind, lex_template
from lodur.logql.template_numbers import number_problem
from lodur.model.go_strings import quote, unquote

NESTING_MAX = 100
"""Levels of parentheses and control structures: far above what people write, and each costs a few Python frames."""

_FUNCTION_NAMES = """
    and or not eq ne lt le gt ge len index slice print printf println html js urlquery call
    __line__ __timestamp__ lower upper title ToLower ToUpper
    trim trimAll trimPrefix trimSuffix Trim TrimLeft TrimRight TrimPrefix TrimSuffix TrimSpace
    replace Replace trunc substr repeat indent nindent alignLeft alignRight contains hasPrefix hasSuffix
    regexReplaceAll regexReplaceAllLiteral count urlencode urldecode b64enc b64dec bytes duration duration_seconds
    date toDate toDateInZone now unixEpoch unixEpochMillis unixEpochNanos unixToTime default fromJson
    int float64 add sub mul div mod max min addf subf mulf divf maxf minf ceil floor round
"""

FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""What a template may call: Go's own functions, then those of LogQL."""

_CONTROLS = frozenset({WordKind.IF, WordKind.RANGE, WordKind.WITH})
_CONSTANTS = frozenset(
    {
        WordKind.BOOL,
        WordKind.NIL,
        WordKind.DOT,
        WordKind.NUMBER,
        WordKind.COMPLEX,
        WordKind.CHARACTER,
        WordKind.STRING,
    }
)
_TERMS = _CONSTANTS | {WordKind.FIELD, WordKind.IDENTIFIER, WordKind.VARIABLE, WordKind.LEFT_PAREN}


class TemplateSyntaxError(ValueError):
    """A template is wrong; the text is the one that Go gives."""


def check_template(text: str, name: str, *, functions: frozenset[str] = FUNCTIONS) -> None:
    """TemplateSyntaxError if `text` is no template that calls these functions; messages call it by `name`."""
    _Checker(lex_template(text), name, functions).check()


@dataclass(slots=True)
class _Tree:
    """What is known of a definition: whether it says anything, and the variables and loops around."""

    variables: list[str] = field(default_factory=lambda: ["$"])
    ranges: int = 0
    is_empty: bool = True


@dataclass(slots=True)
class _Checker:
    words: list[Word]
    name: str
    functions: frozenset[str]
    at: int = 0
    tree: _Tree = field(default_factory=_Tree)
    trees: dict[str, _Tree] = field(default_factory=dict)
    nesting: int = 0
    action_line: int = 0

    def check(self) -> None:
        while self._peek().kind is not WordKind.EOF:
            if self._peek().kind is WordKind.OPEN and self._after_blanks(1) is WordKind.DEFINE:
                self._take()
                self._take_solid()
                name = self._template_name("define clause")
                self._expect(WordKind.CLOSE, "define clause")
                self._definition(name, "define clause")
            elif ending := self._item():
                raise self._error(f"unexpected {{{{{ending}}}}}")
        self._add(self.name, self.tree)

    def _definition(self, name: str, context: str) -> None:
        """Read the rest of a definition; variables and loops around it are unknown there."""
        self._enter()
        outer, self.tree = self.tree, _Tree()
        if self._list() != "end":
            raise self._error(f"unexpected {{{{else}}}} in {context}")
        self.nesting -= 1
        self._add(name, self.tree)
        self.tree = outer

    def _add(self, name: str, tree: _Tree) -> None:
        known = self.trees.get(name)
        if known is not None and not known.is_empty and not tree.is_empty:
            raise self._error(f"template: multiple definition of template {quote(name)}")
        if known is None or known.is_empty:
            self.trees[name] = tree

    def _list(self) -> str:
        """Read up to the end of a list: `end` or `else`, which are taken."""
        while self._peek_solid().kind is not WordKind.EOF:
            if ending := self._item():
                return ending
        raise self._error("unexpected EOF")

    def _enter(self) -> None:
        if self.nesting >= NESTING_MAX:
            raise self._error(f"nested too deeply: at most {NESTING_MAX} levels are read")
        self.nesting += 1

    def _item(self) -> str | None:
        """Read a text or an action; its word if it ends a list."""
        word = self._take_solid()
        if word.kind is WordKind.TEXT:
            self.tree.is_empty = self.tree.is_empty and not word.text.strip()
            return None
        if word.kind is not WordKind.OPEN:
            raise self._unexpected(word, "input")
        self.action_line = word.line
        ending = self._action()
        self.action_line = 0
        if ending is None:
            self.tree.is_empty = False
        return ending

    def _action(self) -> str | None:
        kind = self._peek_solid().kind
        if kind in _CONTROLS:
            self._take_solid()
            self._control(kind)
        elif kind in (WordKind.BREAK, WordKind.CONTINUE):
            self._take_solid()
            self._expect(WordKind.CLOSE, f"{{{{{kind}}}}}")
            if not self.tree.ranges:
                raise self._error(f"{{{{{kind}}}}} outside {{{{range}}}}")
        elif kind is WordKind.END:
            self._take_solid()
            self._expect(WordKind.CLOSE, "end")
            return "end"
        elif kind is WordKind.ELSE:
            self._take_solid()
            if self._peek_solid().kind not in (WordKind.IF, WordKind.WITH):
                self._expect(WordKind.CLOSE, "else")
            return "else"
        elif kind in (WordKind.BLOCK, WordKind.TEMPLATE):
            self._take_solid()
            self._invocation(kind)
        else:
            self._pipeline("command", WordKind.CLOSE)
        return None

    def _control(self, kind: WordKind) -> None:
        self._enter()
        variables = len(self.tree.variables)
        self._pipeline(kind.value, WordKind.CLOSE)
        self.tree.ranges += kind is WordKind.RANGE
        ending = self._list()
        self.tree.ranges -= kind is WordKind.RANGE
        if ending == "else":
            if kind is not WordKind.RANGE and self._peek().kind is kind:
                self._take()
                self._control(kind)
            elif self._list() != "end":
                raise self._error("expected end; found {{else}}")
        del self.tree.variables[variables:]
        self.nesting -= 1

    def _invocation(self, kind: WordKind) -> None:
        context = f"{kind} clause"
        name = self._template_name(context)
        if kind is WordKind.TEMPLATE and self._peek_solid().kind is WordKind.CLOSE:
            self._take_solid()
            return
        self._pipeline(context, WordKind.CLOSE)
        if kind is WordKind.BLOCK:
            self._definition(name, context)

    def _template_name(self, context: str) -> str:
        word = self._take_solid()
        if word.kind is not WordKind.STRING:
            raise self._unexpected(word, context)
        return self._string(word)

    def _pipeline(self, context: str, end: WordKind) -> None:
        self._declarations(context)
        commands = 0
        constant_stage = 0
        while True:
            word = self._peek_solid()
            if word.kind is end:
                self._take_solid()
                break
            if word.kind not in _TERMS:
                raise self._unexpected(self._take_solid(), context)
            commands += 1
            if self._command() and commands > 1:
                constant_stage = constant_stage or commands
        if not commands:
            raise self._error(f"missing value for {context}")
        if constant_stage:
            raise self._error(f"non executable command in pipeline stage {constant_stage}")

    def _declarations(self, context: str) -> None:
        declared = 0
        while (variable := self._peek_solid()).kind is WordKind.VARIABLE:
            before = self.at
            self._take()
            sign = self._peek_solid()
            is_comma = sign.kind is WordKind.CHAR and sign.text == ","
            if not is_comma and sign.kind not in (WordKind.ASSIGN, WordKind.DECLARE):
                self.at = before
                return
            self._take()
            self.tree.variables.append(variable.text)
            declared += 1
            if not is_comma:
                return
            if context != "range" or declared > 1:
                raise self._error(f"too many declarations in {context}")
            if self._peek_solid().kind not in (WordKind.VARIABLE, WordKind.CLOSE, WordKind.RIGHT_PAREN):
                raise self._error("range can only initialize variables")

    def _command(self) -> bool:
        """Read operands up to `|`, which is taken, or to what ends the pipeline; whether the first is a constant."""
        operands = 0
        is_constant = False
        while True:
            word = self._peek_solid()
            if word.kind in _TERMS:
                self._operand()
                is_constant = is_constant or (not operands and word.kind in _CONSTANTS)
                operands += 1
            kind = self._peek().kind
            if kind is WordKind.SPACE:
                continue
            if kind is WordKind.PIPE:
                self._take()
            elif kind not in (WordKind.CLOSE, WordKind.RIGHT_PAREN):
                raise self._unexpected(self._take(), "operand")
            return is_constant

    def _operand(self) -> None:
        word = self._take_solid()
        shown = self._term(word)
        if self._peek().kind is not WordKind.FIELD:
            return
        while self._peek().kind is WordKind.FIELD:
            self._take()
        if word.kind in _CONSTANTS:
            raise self._error(f"unexpected . after term {quote(shown)}")

    def _term(self, word: Word) -> str:
        match word.kind:
            case WordKind.IDENTIFIER if word.text not in self.functions:
                raise self._error(f"function {quote(word.text)} not defined")
            case WordKind.VARIABLE if word.text not in self.tree.variables:
                raise self._error(f"undefined variable {quote(word.text)}")
            case WordKind.STRING:
                self._string(word)
            case WordKind.CHARACTER | WordKind.NUMBER | WordKind.COMPLEX:
                if problem := number_problem(word):
                    raise self._error(problem)
            case WordKind.LEFT_PAREN:
                self._enter()
                self._pipeline("parenthesized pipeline", WordKind.RIGHT_PAREN)
                self.nesting -= 1
        return word.text

    def _string(self, word: Word) -> str:
        if word.text.startswith("`"):
            return word.text[1:-1].replace("\r", "")
        try:
            return unquote(word.text[1:-1])
        except ValueError as error:
            raise self._error("invalid syntax") from error

    def _peek(self) -> Word:
        return self.words[min(self.at, len(self.words) - 1)]

    def _take(self) -> Word:
        word = self._peek()
        self.at += 1
        return word

    def _peek_solid(self) -> Word:
        while self._peek().kind is WordKind.SPACE:
            self.at += 1
        return self._peek()

    def _take_solid(self) -> Word:
        self._peek_solid()
        return self._take()

    def _after_blanks(self, offset: int) -> WordKind:
        following = self.words[self.at + offset : self.at + offset + 2]
        return next((word.kind for word in following if word.kind is not WordKind.SPACE), WordKind.EOF)

    def _expect(self, kind: WordKind, context: str) -> None:
        word = self._take_solid()
        if word.kind is not kind:
            raise self._unexpected(word, context)

    def _unexpected(self, word: Word, context: str) -> TemplateSyntaxError:
        if word.kind is not WordKind.ERROR:
            return self._error(f"unexpected {word} in {context}")
        started = ""
        if self.action_line not in (0, word.line):
            inside = "" if word.text.endswith(" action") else " in action"
            started = f"{inside} started at {self.name}:{self.action_line}"
        return self._error(f"{word.text}{started}")

    def _error(self, reason: str) -> TemplateSyntaxError:
        last = self.words[min(max(self.at - 1, 0), len(self.words) - 1)]
        return TemplateSyntaxError(f"template: {self.name}:{last.line}: {reason}")
