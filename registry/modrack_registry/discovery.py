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
from modrack_registry.requirement import unmet

GROUP = "modrack"
# The allow-list of plugins, in the environment: names with commas between them.
ALLOWED = "MODRACK_PLUGINS"
# What an import should not bring along: each costs every command a second or so.
HEAVY = ("torch", "transformers", "datasets", "pydantic", "numpy", "pandas", "sklearn", "torchmetrics", "sqlalchemy")
_HERE = str(Path(__file__).parent)
# The longest reason that is kept of an error, in characters.
REASON = 400


@dataclass
class Plugin:
    """A plugin and what came of loading it. `origin` is `package` or `file`; `errors` are why it is broken.

    `heavy` are the large libraries that its import brought in; `content` is a file's text as it was loaded.
    """

    name: str
    version: str | None
    origin: str
    location: str
    modules: list[ModuleType] = field(default_factory=list)
    components: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    heavy: list[str] = field(default_factory=list)
    content: bytes | None = field(default=None, repr=False)

    @property
    def error(self) -> str | None:
        """All that is wrong with it, in one line; None where nothing is."""
        return "; ".join(self.errors) or None

    @property
    def digest(self) -> str | None:
        """SHA-256 of a file's text; None for a package, which has a version."""
        if self.content is None:
            return None
        import hashlib

        return hashlib.sha256(self.content).hexdigest()

    def blame(self, reason: str) -> None:
        """Note why it is broken, once: a hook that fails is called by several commands."""
        if reason not in self.errors:
            self.errors.append(reason)


@dataclass(frozen=True)
class Source:
    """Something that can be loaded as (part of) a plugin: an entry point, or a file.

    `beside` marks a file that nobody named, which lies beside an experiment; `unmet` is a modrack it wants
    and that is not here, for which reason it is not loaded.
    """

    plugin: str
    version: str | None
    origin: str
    location: str
    beside: bool = False
    unmet: str | None = None

    def load(self, content: bytes | None = None) -> ModuleType:
        """Import it; `content` is a file's text. Raises whatever its code raises."""
        if self.origin == "package":
            return importlib.import_module(self.location)
        path = Path(self.location)
        name, content = module_name(path), path.read_bytes() if content is None else content
        # Asked for a second time it is the same module, unless somebody has edited the file in between.
        if name in sys.modules and vars(sys.modules[name]).get("__content__") == content:
            return sys.modules[name]
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        vars(module)["__content__"] = content
        code = compile(content, path, "exec", dont_inherit=True)
        sys.modules[name] = module
        try:
            exec(code, vars(module))
        except BaseException:
            del sys.modules[name]
            raise
        return module


def module_name(path: Path) -> str:
    """What a plugin file's module is called: by its path, so that two files of one stem stay apart.

    The same in every process (a worker may look it up), and never the name of a real module.
    """
    import hashlib

    return f"modrack_file_{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}_{path.stem}"


def find_sources(files: Sequence[str | Path] = (), beside: Sequence[str | Path] = ()) -> list[Source]:
    """All that could be loaded: entry points of the group, built-in ones first, then files. Nothing is imported.

    `files` were named, `beside` lie beside an experiment. Raises UserError for a file that is none.
    """
    points = [(point, point.dist) for point in importlib.metadata.entry_points(group=GROUP)]
    # Read once: a distribution parses its metadata anew for each thing it is asked.
    facts = {key: dist.metadata for key, dist in {id(dist): dist for _, dist in points}.items() if dist is not None}
    here = next((said["Version"] for said in facts.values() if said["Name"] == GROUP), None)
    lacks = {key: unmet(said.get_all("Requires-Dist") or (), here) for key, said in facts.items()}
    found: dict[tuple[str, str, str], Source] = {}
    for point, dist in points:
        key = id(dist)
        name, version = (facts[key]["Name"], facts[key]["Version"]) if key in facts else (point.name, None)
        # A path listed twice on sys.path shows one distribution twice; the first is the one that is imported.
        found.setdefault(
            (name, point.name, point.value),
            Source(name, version, "package", point.value, unmet=_said(name, lacks.get(key), here)),
        )
    # The order of folders on a disk must not decide whose defaults win.
    packages = sorted(found.values(), key=lambda each: (each.plugin != GROUP, each.plugin, each.location))
    named = {_file_source(Path(file), packages): None for file in files}
    nearby = [Source(path.stem, None, "file", str(path.resolve()), beside=True) for path in map(Path, beside)]
    known = {source.location for source in named}
    return [*packages, *named, *(source for source in nearby if source.location not in known)]


def allowed_plugins() -> set[str] | None:
    """The names in MODRACK_PLUGINS; None where it is not set, and every plugin may come in."""
    said = os.environ.get(ALLOWED)
    return None if said is None else {name.strip() for name in said.split(",") if name.strip()}


def load_plugins(sources: Sequence[Source], without: Sequence[str] = ()) -> list[Plugin]:
    """Load `sources` that are not left out by `without` or by MODRACK_PLUGINS, each in a guard.

    The built-in plugin and files that were named come in whatever MODRACK_PLUGINS says.
    """
    allowed = allowed_plugins()
    plugins: dict[tuple[str, str], Plugin] = {}
    owners: dict[str, Plugin] = {}
    for source in sources:
        named = source.origin == "file" and not source.beside
        if source.plugin in without:
            continue
        if allowed is not None and not named and source.plugin not in allowed | {GROUP}:
            continue
        key = (source.plugin, source.location if source.origin == "file" else "")
        plugin = plugins.setdefault(key, Plugin(source.plugin, source.version, source.origin, source.location))
        if source.unmet is not None:
            plugin.blame(source.unmet)
            continue
        before = set(HEAVY) - sys.modules.keys()
        started = time.perf_counter()
        with guard(plugin):
            if source.origin == "file":
                plugin.content = Path(source.location).read_bytes()
            module = source.load(plugin.content)
            owner = owners.setdefault(module.__name__, plugin)
            if owner is not plugin:
                raise UserError(f"its module {module.__name__} is that of plugin {owner.name} too; rename one")
            if module not in plugin.modules:
                plugin.modules.append(module)
        plugin.seconds += time.perf_counter() - started
        plugin.heavy += sorted(before & sys.modules.keys())
    return list(plugins.values())


@contextlib.contextmanager
def guard(plugin: Plugin, hook: str | None = None) -> Iterator[None]:
    """Keep what a plugin does wrong inside it: any error but Ctrl-C is its reason, what it prints goes to stderr.

    `hook` is which hook of it is called, for the reason.
    """
    within = f"in {hook}: " if hook else ""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except KeyboardInterrupt:
        raise
    except SystemExit as error:
        when = f" in {hook}" if hook else " while it was imported"
        plugin.blame(f"it called sys.exit({error.code!r}){when}{_place(error)}")
    except SyntaxError as error:
        plugin.blame(f"{within}syntax error in {error.filename}:{error.lineno}: {error.msg}")
    except UserError as error:
        plugin.blame(f"{within}{_text(error)}")
    except BaseException as error:
        plugin.blame(f"{within}{type(error).__name__}: {_text(error)}{_place(error)}")


def _text(error: BaseException) -> str:
    try:
        said = " ".join(str(error).split())
    except Exception:
        return "(its text cannot be had)"
    return said if len(said) <= REASON else f"{said[:REASON]}…"


def _place(error: BaseException) -> str:
    """Where in the plugin's own code the error arose: the last frame that is not of the import system."""
    frame = error.__traceback__
    place = ""
    while frame is not None:
        name = frame.tb_frame.f_code.co_filename
        if not name.startswith((_HERE, "<frozen importlib")) and f"{os.sep}pluggy{os.sep}" not in name:
            place = f" ({name}:{frame.tb_lineno})"
        frame = frame.tb_next
    return place


def _said(name: str, lack: str | None, here: str | None) -> str | None:
    if lack is None:
        return None
    return f"it wants {lack}, and this is modrack {here}: install that, or a version of {name} that takes this one"


def _file_source(path: Path, packages: Sequence[Source]) -> Source:
    if path.is_dir():
        raise UserError(
            f"--plugin {path}: this is a folder.",
            f"pip install {path}, and it is there without --plugin."
            if (path / "pyproject.toml").is_file()
            else "Give the path of a .py file.",
        )
    if not path.is_file():
        installed = any(source.plugin == str(path) for source in packages)
        hint = "It is an installed plugin, and there without --plugin." if installed else "Give the path of a .py file."
        raise UserError(f"--plugin {path}: there is no such file.", hint)
    if path.suffix != ".py":
        raise UserError(f"--plugin {path}: a plugin file is Python and ends in .py.", "Rename it.")
    if path.stem == GROUP:
        raise UserError(f"--plugin {path}: {GROUP} is what the built-in plugin is called.", "Rename the file.")
    return Source(path.stem, None, "file", str(path.resolve()))
