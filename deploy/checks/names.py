"""Counts of NAMES: how far names, English and sizes in the tree are from the rules, and where.

``python deploy/checks/names.py`` in the root of the repository prints every fault as ``file:line: what to do`` and a
table with a row per package, and exits 1 when a limit is passed. ``--report`` prints the table alone and exits 0;
``--all`` prints also the faults of rows that are within their limits.
"""

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tree import list_files
from word_rules import count_words, dialect_in, first_word, is_participle

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
TOP_FILES_MAX = {"services/gateway/src/atelier_gateway": 8}
"""Modules directly in a package, beside ``__init__`` and ``__main__``: more cannot be taken in at a glance."""
PARTICIPLE_MODULES_MAX = 0.02
PARTICIPLE_FUNCTIONS_MAX = 0.03
DIALECT_MAX = 0.001
GENERATED = ("migrations/versions/", "atelier_client/models.py", "atelier_client/routes.py", "atelier_client/_sync/")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Fault:
    """One departure from a rule. ``rule`` is a column of the table; ``share`` of the rule's total may stay."""

    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.advice}"


@dataclass(slots=True)
class Package:
    """The counts of one package: its source, or its tests."""

    name: str
    modules: int = 0
    functions: int = 0
    words: int = 0
    faults: list[Fault] = field(default_factory=list)

    def limits(self) -> dict[str, int]:
        """How many faults each rule allows here. A package of a hundred words may have one dialect word."""
        return {
            "modules": 0,  # shares of the whole tree, see tree_limits
            "functions": 0,
            "dialect": max(1, int(self.words * DIALECT_MAX)),
            "except": 0,
            "for one": 0,
            "long file": 0,
            "long function": 0,
            "top level": 0,
        }


def package_of(path: str) -> str:
    """``services/render src`` or ``services/render tests``; ``tests-e2e`` and ``deploy`` are one each."""
    parts = path.split("/")
    if parts[0] in {"libs", "services"} or parts[:2] == ["deploy", "local"]:
        return f"{parts[0]}/{parts[1]} {'tests' if 'tests' in parts[2:] else 'src'}"
    return parts[0] if len(parts) > 1 else "root"


def packages_of(root: Path) -> list[Package]:
    """Every package of the tree with its counts."""
    packages: dict[str, Package] = {}
    for path in sorted(list_files(root)):
        if path.endswith(".py") and not any(part in path for part in GENERATED) and (root / path).is_file():
            package = packages.setdefault(package_of(path), Package(package_of(path)))
            read_file(path, (root / path).read_text(), package)
    for folder, most in TOP_FILES_MAX.items():
        found = [path for path in (root / folder).glob("*.py") if path.stem not in {"__init__", "__main__"}]
        if len(found) > most:
            advice = f"{len(found)} modules at the top level, at most {most}: move them into packages"
            packages[package_of(folder)].faults.append(Fault(folder, 1, "top level", advice))
    return sorted(packages.values(), key=lambda package: package.name)


def read_file(path: str, text: str, package: Package) -> None:
    """Adds one file's counts and faults to its package."""
    tree = ast.parse(text)
    package.modules += 1
    nodes = list(ast.walk(tree))
    functions = [node for node in nodes if isinstance(node, DEFINITIONS) and not is_test(node)]
    package.functions += len(functions)
    docstrings = [(line, doc) for line, doc in docstrings_of(nodes)]
    package.words += sum(count_words(doc) for _, doc in docstrings)
    for line, rule, advice in [
        *module_faults(path, text),
        *(fault for function in functions for fault in function_name_faults(function)),
        *size_faults(nodes),
        *dialect_faults(docstrings),
        *except_faults(tree, within=False),
        *loop_faults(nodes),
    ]:
        package.faults.append(Fault(path, line, rule, advice))


def is_test(node: Definition) -> bool:
    """Whether a function is a test, whose name is a sentence."""
    return node.name.startswith("test_")


def module_faults(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    """A participle as the module's name, a file that is too long."""
    name = Path(path).stem
    if name == "__init__":
        name = Path(path).parent.name
    if is_participle(name):
        yield 1, "modules", f"module {name} is named by the participle {first_word(name)!r}: name it by a noun"
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield FILE_LINES_MAX, "long file", f"{lines} lines, at most {FILE_LINES_MAX}: split it by subject"


def function_name_faults(node: Definition) -> Iterator[tuple[int, str, str]]:
    """A participle as the first word of a function's name."""
    if is_participle(node.name):
        word = first_word(node.name)
        yield node.lineno, "functions", f"{node.name} is named by the participle {word!r}: begin with a verb"


def size_faults(nodes: list[ast.AST]) -> Iterator[tuple[int, str, str]]:
    """Functions that are too long, tests included, without their decorators."""
    for node in nodes:
        if isinstance(node, DEFINITIONS) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield node.lineno, "long function", f"{node.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def docstrings_of(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring, those below constants and fields included."""
    bodies = (body for node in nodes if isinstance(body := getattr(node, "body", None), list))
    for statement in (statement for body in bodies for statement in body):
        match statement:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield statement.lineno, text


def dialect_faults(docstrings: list[tuple[int, str]]) -> Iterator[tuple[int, str, str]]:
    """Words that a stranger would need a dictionary for."""
    for line, text in docstrings:
        for position, word, plain in dialect_in(text):
            yield line + text.count("\n", 0, position), "dialect", f"{word!r} is dialect: {plain}"


def except_faults(node: ast.AST, within: bool) -> Iterator[tuple[int, str, str]]:
    """Caught exceptions that are not called ``error``. In a handler inside a handler: ``error`` or ``…_error``."""
    for child in ast.iter_child_nodes(node):
        inside = within
        if isinstance(child, ast.ExceptHandler) and child.name is not None:
            if child.name != "error" and not (within and child.name.endswith("_error")):
                yield child.lineno, "except", f"exception caught as {child.name}: catch it as error"
            inside = True
        yield from except_faults(child, inside)


def loop_faults(nodes: list[ast.AST]) -> Iterator[tuple[int, str, str]]:
    """``for one in …``: the name says nothing."""
    for node in nodes:
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            for target in ast.walk(node.target):
                if isinstance(target, ast.Name) and target.id == "one":
                    yield target.lineno, "for one", "for one in …: name what one is"


def excess(packages: list[Package]) -> list[Fault]:
    """The faults of every rule that has more of them than it allows; shares of names count over the whole tree."""
    found = [
        fault
        for package in packages
        for rule, most in package.limits().items()
        if rule not in {"modules", "functions"} and count(package, rule) > most
        for fault in package.faults
        if fault.rule == rule
    ]
    for rule, most, total in (
        ("modules", PARTICIPLE_MODULES_MAX, sum(package.modules for package in packages)),
        ("functions", PARTICIPLE_FUNCTIONS_MAX, sum(package.functions for package in packages)),
    ):
        faults = [fault for package in packages for fault in package.faults if fault.rule == rule]
        found += faults if len(faults) > most * total else []
    return found


def count(package: Package, rule: str) -> int:
    """How many faults of one rule a package has."""
    return sum(fault.rule == rule for fault in package.faults)


def table(packages: list[Package]) -> Iterator[str]:
    """The counts, a line per package and one for the tree."""
    yield (
        f"{'package':28}{'modules':>14}{'functions':>16}{'dialect in 1000':>17}"
        f"{'except':>8}{'for one':>9}{'file':>6}{'function':>10}{'top':>5}"
    )
    total = Package("the tree")
    for package in packages:
        total.modules += package.modules
        total.functions += package.functions
        total.words += package.words
        total.faults += package.faults
        yield line_of(package)
    yield line_of(total)
    limits = f"{PARTICIPLE_MODULES_MAX:.0%}", f"{PARTICIPLE_FUNCTIONS_MAX:.0%}", f"{DIALECT_MAX * 1000:.1f} each"
    yield f"{'at most':28}{limits[0]:>14}{limits[1]:>16}{limits[2]:>17}{0:>8}{0:>9}{0:>6}{0:>10}{0:>5}"


def line_of(package: Package) -> str:
    """One line of the table."""
    faults = Counter(fault.rule for fault in package.faults)
    modules = f"{faults['modules']}/{package.modules} {faults['modules'] / max(1, package.modules):5.1%}"
    functions = f"{faults['functions']}/{package.functions} {faults['functions'] / max(1, package.functions):5.1%}"
    dialect = f"{faults['dialect']}/{package.words} {1000 * faults['dialect'] / max(1, package.words):4.1f}"
    return (
        f"{package.name:28}{modules:>14}{functions:>16}{dialect:>17}{faults['except']:>8}{faults['for one']:>9}"
        f"{faults['long file']:>6}{faults['long function']:>10}{faults['top level']:>5}"
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="print the table alone and exit 0")
    parser.add_argument("--all", action="store_true", help="print faults within the limits too")
    parser.add_argument("--only", default="", metavar="PATH", help="print the faults of files below this path alone")
    options = parser.parse_args(arguments)
    packages = packages_of(Path.cwd())
    every = [fault for package in packages for fault in package.faults]
    faults = every if options.all else excess(packages)
    if not options.report:
        shown = sorted(
            (fault for fault in faults if fault.path.startswith(options.only)), key=lambda f: (f.path, f.line)
        )
        sys.stdout.writelines(f"{fault}\n" for fault in shown)
    sys.stdout.writelines(f"{line}\n" for line in table(packages))
    return 1 if excess(packages) and not options.report else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
