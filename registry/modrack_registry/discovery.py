"""Finding plugins, and loading each behind a guard of its own.

A plugin is a distribution with entry points in the group `modrack`, or a single file. Which ones
are left out is decided by name before anything is imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from modrack_registry.errors import UserError

GROUP = "modrack"


@dataclass
class Plugin:
    """A plugin and what came of loading it. `origin` is `package` or `file`; `error` is set where it is broken."""

    name: str
    version: str | None
    origin: str
    location: str
    modules: list[ModuleType] = field(default_factory=list)
    components: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Source:
    """Something that can be loaded as (part of) a plugin: an entry point, or a file."""

    plugin: str
    version: str | None
    origin: str
    location: str

    def load(self) -> ModuleType:
        if self.origin == "package":
            return importlib.import_module(self.location)
        path = Path(self.location)
        # The name holds the path, so that two files of one stem stay apart; it must not shadow a real module.
        name = f"modrack_file_{abs(hash(str(path)))}_{path.stem}"
        if name in sys.modules:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


def find_sources(files: Sequence[str | Path] = ()) -> list[Source]:
    """All that could be loaded: entry points of the group, built-in ones first, then `files`. Nothing is imported."""
    found: dict[tuple[str, str, str], Source] = {}
    for entry_point in importlib.metadata.entry_points(group=GROUP):
        dist = entry_point.dist
        name = dist.name if dist is not None else entry_point.name
        # A path listed twice on sys.path shows one distribution twice; the first is the one that is imported.
        found.setdefault(
            (name, entry_point.name, entry_point.value),
            Source(name, dist.version if dist is not None else None, "package", entry_point.value),
        )
    # The order of folders on a disk must not decide whose defaults win.
    packages = sorted(found.values(), key=lambda each: (each.plugin != GROUP, each.plugin, each.location))
    return [*packages, *(_file_source(Path(file)) for file in files)]


def load_plugins(sources: Sequence[Source], without: Sequence[str] = ()) -> list[Plugin]:
    """Load `sources` that are not left out by `without` or by MODRACK_PLUGINS, each in a guard."""
    allowed = os.environ.get("MODRACK_PLUGINS")
    if allowed is not None:
        names = {name.strip() for name in allowed.split(",") if name.strip()} | {GROUP}
        sources = [source for source in sources if source.plugin in names or source.origin == "file"]
    plugins: dict[tuple[str, str], Plugin] = {}
    for source in sources:
        if source.plugin in without:
            continue
        key = (source.plugin, source.location if source.origin == "file" else "")
        plugin = plugins.setdefault(key, Plugin(source.plugin, source.version, source.origin, source.location))
        started = time.perf_counter()
        with _guard(plugin):
            module = source.load()
            if module not in plugin.modules:
                plugin.modules.append(module)
        plugin.seconds += time.perf_counter() - started
    return list(plugins.values())


@contextlib.contextmanager
def _guard(plugin: Plugin) -> Iterator[None]:
    """Keep what a plugin does wrong inside it: any error but Ctrl-C is its reason, what it prints goes to stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        plugin.error = f"it called sys.exit({error.code!r}) while it was imported"
    except SyntaxError as error:
        plugin.error = f"syntax error in {error.filename}:{error.lineno}: {error.msg}"
    except BaseException as error:
        plugin.error = f"{type(error).__name__}: {error}{_place(error)}"


def _place(error: BaseException) -> str:
    """Where in the plugin's own code the error arose: the last frame that is not of the import system."""
    frame = error.__traceback__
    place = ""
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if "importlib" not in name and __file__ != name:
            place = f" ({name}:{frame.tb_lineno})"
        frame = frame.tb_next
    return place


def _file_source(path: Path) -> Source:
    if not path.is_file():
        raise UserError(f"--plugin {path}: there is no such file.", "Give the path of a .py file.")
    if path.suffix != ".py":
        raise UserError(f"--plugin {path}: a plugin file is Python and ends in .py.")
    return Source(path.stem, None, "file", str(path.resolve()))
