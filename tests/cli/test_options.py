"""The command line as a whole: help, choices, completion, a light start, and one line for every wrong use."""

import subprocess
import sys

import pytest
import typer.main

from medsr.cli.app import app, run
from medsr.cli.options import TaskName, bytes_of
from medsr.engine.engines import ENGINES
from medsr.errors import UsageError
from medsr.physics.tasks import TASKS


def commands(command, words=()):
    """Every command with the words that call it."""
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from commands(one, (*words, name))


EVERY = dict(commands(typer.main.get_command(app)))


def help_of(capsys, monkeypatch, *words):
    monkeypatch.setenv("COLUMNS", "200")
    assert run([*words, "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_help_of_every_command_explains_every_option_and_shows_no_type_of_a_flag(capsys, monkeypatch, words):
    text = help_of(capsys, monkeypatch, *words)
    assert "bool" not in text.lower()
    options = [one for one in EVERY[words].params if one.param_type_name == "option"]
    assert all(one.help and one.opts[0] in text for one in options)
    assert not any(opt.startswith("--no-") for one in options for opt in one.secondary_opts)


def test_brackets_in_a_help_text_are_text(capsys, monkeypatch):
    assert "needs medsr[pdf]." in help_of(capsys, monkeypatch, "validate")


@pytest.mark.parametrize("command", ["degrade", "validate", "calibrate"])
def test_tasks_on_the_command_line_are_those_of_the_table(capsys, monkeypatch, command):
    assert tuple(TaskName) == tuple(TASKS)
    assert f": {', '.join(TASKS)}." in help_of(capsys, monkeypatch, command)


def test_the_help_has_panels(capsys, monkeypatch):
    text = help_of(capsys, monkeypatch, "enhance")
    assert all(f"─ {name} ─" in text for name in ("Input", "Grid", "Acquisition", "Sampling", "Output"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["enhance", "a", "b", "--mode", "magic"], ["--mode", "'mean', 'sample', 'uncertainty'"]),
        (["enhance", "a", "b", "--sampler", "best"], ["'dpm2m', 'euler', 'heun', 'ancestral'"]),
        (["degrade", "a", "b", "--task", "iso3"], [f"{', '.join(map(repr, TASKS))}"]),
        (["validate", "a", "--task", "iso3"], [f"{', '.join(map(repr, TASKS))}"]),
        (["batch", "a", "b", "--engine", "cloud"], [f"{', '.join(map(repr, ENGINES))}; see medsr batch run --help"]),
        (["batch", "resume", "a", "--progress", "loud"], ["'auto', 'json', 'none'"]),
        (["enhance", "a", "b", "--steps", "six"], ["--steps", "integer"]),
        (["enhance", "a", "b", "--wrong"], ["--wrong"]),
        (["enhance", "a"], ["OUT", "see medsr enhance --help"]),
        (["calibrate", "a"], ["--out"]),
        (["nonsense"], ["nonsense", "see medsr --help"]),
    ],
)
def test_a_wrong_use_is_one_line_that_names_the_choices_and_code_2(capsys, arguments, words):
    assert run(arguments) == 2
    said = capsys.readouterr()
    (line,) = said.err.strip().splitlines()
    assert said.out == ""
    assert line.startswith("medsr: ")
    assert all(word in line for word in words)


@pytest.mark.parametrize("words", [(), ("cards",), ("batch",)])
def test_a_group_alone_shows_its_help(capsys, words):
    assert run(list(words)) == 0
    assert "--help" in capsys.readouterr().out


def test_an_interrupted_command_says_so_and_ends_with_130(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("medsr.model.packaged.packaged_models", interrupted)
    assert run(["models"]) == 130
    assert capsys.readouterr().err == "medsr: interrupted; nothing half written is left\n"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("medsr enhance --mode ", ["mean", "sample", "uncertainty"]),
        ("medsr degrade --task th", ["thick3", "thick5", "thick6"]),
        ("medsr batch --engine d", ["dask"]),
        ("medsr ca", ["calibrate", "cards"]),
    ],
)
def test_the_shell_completes_commands_and_choices(capsys, monkeypatch, typed, offered):
    monkeypatch.setenv("_MEDSR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert run([]) == 0
    assert capsys.readouterr().out.split() == offered


def test_completion_can_be_installed(capsys, monkeypatch):
    assert "--install-completion" in help_of(capsys, monkeypatch)
    assert "--install-completion" in help_of(capsys, monkeypatch, "--install-completion")


def test_the_help_takes_no_heavy_library():
    heavy = "{'torch', 'monai', 'scipy', 'nibabel', 'pydicom', 'pydantic'}"
    code = f"import sys; from medsr.cli import app; app.run(['--help']); sys.exit(str({heavy} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "enhance" in shown.stdout
    assert shown.stderr.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [(None, None), ("4GiB", 4 * 2**30), ("512 MiB", 512 * 2**20), ("1.5g", 3 * 2**29), (" 2GB ", 2 * 2**30)],
)
def test_sizes_are_read_as_people_write_them(text, n_bytes):
    assert bytes_of(text, "--memory") == n_bytes


@pytest.mark.parametrize("text", ["", "4", "GiB", "-1GiB", "0GiB", "4 TiB", "1e3G"])
def test_what_is_no_size_is_refused_by_the_name_of_its_option(text):
    with pytest.raises(UsageError, match=r"--memory is .*; expected a size such as 4GiB"):
        bytes_of(text, "--memory")
