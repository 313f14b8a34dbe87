"""Parts of pages that are written from the code, so that they can't go stale.

A page asks for a part with a comment on a line of its own, such as `<!-- generated: commands -->`, or with an argument
`<!-- generated: modules medsr.physics -->`; `PARTS` lists what there is. Each part is Markdown.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import typer
from sphinx.application import Sphinx

from medsr import errors
from medsr.cli.app import INTERRUPTED, app
from medsr.diffusion.processes import PROCESSES
from medsr.diffusion.samplers import SAMPLERS
from medsr.engine.engines import ENGINES
from medsr.engine.outcome import MEANING
from medsr.enhancement.settings import EnhanceSettings
from medsr.io.formats import FORMATS
from medsr.metrics.metric import Metric
from medsr.metrics.table import METRICS, UNCERTAINTY_METRICS
from medsr.physics.ops.matrices import SLICE_PROFILES
from medsr.physics.tasks import TASKS, Task

ASKED = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)
STEPS = EnhanceSettings().steps
FIELD = re.compile(r"^    (\w+): (.*)$")


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Fill in the parts when a page is read."""
    sphinx.connect("source-read", _on_source)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _on_source(sphinx: Sphinx, page: str, source: list[str]) -> None:
    if ASKED.search(source[0]):
        sphinx.env.note_reread()  # the page follows the code, which Sphinx does not watch
        source[0] = filled(source[0])


def filled(text: str) -> str:
    """A page with its generated parts in place."""
    return ASKED.sub(lambda asked: PARTS[asked[1]](*filter(None, [asked[2]])), text)


def commands() -> str:
    """Every command of the command line with its arguments and options."""
    found = _commands(typer.main.get_command(app), ("medsr",))
    return "\n".join(line for path, command in found for line in _command(path, command))


def _commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, one in inner.items():
        yield from _commands(one, (*path, name))


def _command(path: tuple[str, ...], command: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=" ".join(path))
    panels: dict[str, list[tuple[str, str]]] = {}
    usage = list(path)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        panels.setdefault(_panel(parameter), []).append(record)
        if parameter.param_type_name == "argument":
            name = record[0].split()[0]
            usage.append(name if parameter.required else f"[{name}]")
    yield f"## {' '.join(path)}\n\n{inspect.cleandoc(command.help or '')}\n"
    yield f"```text\n{' '.join(usage)} [OPTIONS]\n```\n"
    for panel, records in panels.items():
        yield _table(f"| {panel} | |", (f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records)) + "\n"


def _panel(parameter: Any) -> str:
    kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
    return getattr(parameter, "rich_help_panel", None) or kind


def exit_codes() -> str:
    """The exit codes: those of the error tree, and the three that no error has."""
    found = {0: "done", errors.MedsrError.exit_code: "a bug: please report it with the log file that the message names"}
    for error in (one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.MedsrError)):
        if error.__base__ is errors.MedsrError:
            found[error.exit_code] = f"{_first_line(error)} (`{error.__name__}`)"
    found[INTERRUPTED] = "interrupted; nothing half written is left"
    return _table("| code | meaning |", (f"| {code} | {meaning} |" for code, meaning in sorted(found.items())))


def settings(place: str) -> str:
    """The fields of a dataclass with their defaults, as a recipe or a record names them."""
    kind = _named(place)
    texts = documented_fields(kind)
    rows = (f"| `{one.name}` | {_default(one)} | {_cell(texts[one.name])} |" for one in dataclasses.fields(kind))
    return _table("| key | default | meaning |", rows)


def fields(place: str) -> str:
    """The fields of a dataclass and what they mean."""
    rows = (f"| `{name}` | {_cell(text)} |" for name, text in documented_fields(_named(place)).items())
    return _table("| field | meaning |", rows)


def documented_fields(kind: type) -> dict[str, str]:
    """What the Attributes section of a docstring says of each field."""
    found: dict[str, str] = {}
    name = ""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        start = FIELD.match(line)
        if start is not None:
            name = start[1]
            found[name] = start[2]
        elif line.strip():
            found[name] += f" {line.strip()}"
    return found


def tasks() -> str:
    """The named degradations."""
    rows = (f"| `{task.name}` | {_what(task)} | {_noise(task)} | {_profile(task)} |" for task in TASKS.values())
    return _table("| name | what | noise | profile |", rows)


def _what(task: Task) -> str:
    if task.thick_mm is not None:
        return f"slices of {task.thick_mm:g} mm along one axis"
    return f"factor {task.factor:g} {'in plane' if task.in_plane else 'on every axis fine enough'}"


def _noise(task: Task) -> str:
    return f"{100 * task.noise_share:g} % (CT: {task.noise_hu:g} HU)" if task.noise_share else ""


def _profile(task: Task) -> str:
    return task.profile if task.fwhm_mm is None else f"{task.profile}, {task.fwhm_mm:g} mm wide"


def profiles() -> str:
    """The slice profiles."""
    rows = (f"| `{name}` | {_cell(one.summary)} |" for name, one in SLICE_PROFILES.items())
    return _table("| `--profile` | what it is, and where it is met |", rows)


def samplers() -> str:
    """The samplers."""
    rows = (f"| `{name}` | {_cell(one.summary)} | {one.evaluations(STEPS)} |" for name, one in SAMPLERS.items())
    return _table(f"| `--sampler` | what it is | evaluations of the network for {STEPS} steps |", rows)


def processes() -> str:
    """The diffusion processes."""
    return _table(
        "| `process` | what it is |", (f"| `{name}` | {_cell(one.summary)} |" for name, one in PROCESSES.items())
    )


def metrics() -> str:
    """The numbers of a validation, each with its direction, in a line."""
    found = [*METRICS, *UNCERTAINTY_METRICS]
    rows = (f"| {_cell(one.head)} | `{one.name}` | {_better(one)} | {one.what} | {one.beware} |" for one in found)
    return _table("| metric | name | better | what it is | beware |", rows)


def _better(one: Metric[Any]) -> str:
    return one.better if isinstance(one.better, str) else f"near {one.better:g}"


def engines() -> str:
    """The engines of a batch, and the options that each takes."""
    rows = (f"| `{one.name}` | {_cell(one.summary)} | {_options(one.takes)} |" for one in ENGINES.values())
    return _table("| `--engine` | where cases are worked on | options |", rows)


def _options(names: Sequence[str]) -> str:
    return ", ".join(f"`--{name.replace('_', '-')}`" for name in names)


def formats() -> str:
    """The file formats."""
    rows = (
        f"| {one.title} | {', '.join(f'`{end}`' for end in one.suffixes)} | {_cell(one.help)} |"
        for one in FORMATS.values()
    )
    return _table("| format | names end in | what is read |", rows)


def failures() -> str:
    """The kinds of failure of a case."""
    return _table("| kind | meaning |", (f"| `{kind}` | {_cell(text)} |" for kind, text in MEANING.items()))


def modules(package: str) -> str:
    """The documented members of every module of a package, and of the packages in it."""
    found = importlib.import_module(package)
    inner = pkgutil.walk_packages(getattr(found, "__path__", []), f"{package}.")
    names = [(one.name, not one.ispkg) for one in inner if not one.name.endswith("__main__")]
    parts = [_module(package, members=not names)]
    parts += [f"## {name}\n\n{_module(name, members=members)}" for name, members in names]
    return "\n\n".join(parts)


def _module(name: str, *, members: bool) -> str:
    options = "   :members:\n   :ignore-module-all:\n" if members else ""
    return f"```{{eval-rst}}\n.. automodule:: {name}\n{options}```"


def _named(place: str) -> type:
    module, _, name = place.rpartition(".")
    kind: type = getattr(importlib.import_module(module), name)
    return kind


def _default(one: dataclasses.Field[Any]) -> str:
    value = one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
    if value is dataclasses.MISSING:
        return "required"
    if dataclasses.is_dataclass(value) or value in ((), {}):
        return ""
    if value is None:
        return "not set"
    return f"`{_cell(str(value).lower() if isinstance(value, bool) else repr(value))}`"


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").splitlines()[0].rstrip(".")


def _table(head: str, rows: Iterable[str]) -> str:
    return "\n".join((head, "|---" * (head.count("|") - 1) + "|", *rows))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


TABLES = (exit_codes, settings, fields, tasks, profiles, samplers, processes, metrics, engines, formats, failures)
PARTS: dict[str, Callable[..., str]] = {part.__name__: part for part in (commands, *TABLES, modules)}
