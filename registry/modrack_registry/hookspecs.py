"""What a plugin can do that is not a component.

Mark an implementation with `modrack.hook`; every hook is optional, and may take fewer arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from modrack_registry.component import Component
    from modrack_registry.family import Family
    from modrack_registry.kinds import Kind

hookspec = pluggy.HookspecMarker("modrack")
hook = pluggy.HookimplMarker("modrack")


@hookspec
def modrack_kinds() -> Iterable[Kind]:  # type: ignore[empty-body]
    """Add kinds of component. `use` is what a run does with a chosen one, once all else is built.

    @modrack.hook
    def modrack_kinds():
        def use(made, rig):
            rig.feeders["train"].arrange(made)

        return [modrack.Kind("sampler", "which rows come next", given=("data",), use=use)]
    """


@hookspec
def modrack_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Add components that are made in a loop instead of written one by one.

    @modrack.hook
    def modrack_components():
        for width in (64, 128):
            yield modrack.model(name=f"wide-{width}")(functools.partial(wide, width=width))
    """


@hookspec
def modrack_families() -> Iterable[Family]:  # type: ignore[empty-body]
    """Add the many components of a library, each made when it is used: `--model zoo/big-cat`.

    @modrack.hook
    def modrack_families():
        def names():
            import zoo

            return {name: f"{name} of the zoo" for name in zoo.models()}

        def make(name):
            @modrack.model(takes="image", gives="logits")
            def model(data, *, width: int = 64):
                import zoo

                return zoo.build(name, classes=len(data.classes), width=width)

            return model

        return [modrack.Family("model", "zoo", names, make, library="zoo")]
    """


@hookspec
def modrack_defaults() -> Mapping[str, Any]:  # type: ignore[empty-body]
    """Add defaults of experiments, as the content of an experiment file; the later plugin wins.

    `when` is a list of tables: `if` holds choices, and the rest holds where they are chosen.

        @modrack.hook
        def modrack_defaults():
            return {"when": [{"if": {"model": "my-plugin/net"}, "optimizer": {"lr": 0.01}}]}
    """


@hookspec
def modrack_commands() -> Iterable[click.Command]:  # type: ignore[empty-body]
    """Add commands to `modrack`.

    @modrack.hook
    def modrack_commands():
        return [click.Command("hello", callback=lambda: click.echo("hello"))]
    """


@hookspec
def modrack_run_started(run: Any) -> None:
    """Called in the training process when a run has its number and folder.

    @modrack.hook
    def modrack_run_started(run):
        (run.folder / "note.txt").write_text("started")
    """


@hookspec
def modrack_run_ended(run: Any) -> None:
    """Called when a run has ended, however it ended; `run.status` says how.

    @modrack.hook
    def modrack_run_ended(run):
        print(run.id, run.status, run.metrics)
    """
