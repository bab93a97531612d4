"""Reading `path=value` words, as typed on the command line or kept in MODRACK_SET."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from modrack.configure.layer import Given, Layer, Pick, has_parts, twice
from modrack.configure.settings import settings_options
from modrack_registry.errors import UserError
from modrack_registry.kinds import Kind
from modrack_registry.suggest import did_you_mean

VARIABLE = "MODRACK_SET"


def read_flags(choices: Mapping[str, list[str]], kinds: Mapping[str, Kind]) -> Layer:
    """The layer that `--model cnn`, `--metric accuracy --metric f1` make."""
    layer = Layer("command line")
    for kind, names in choices.items():
        if kind not in kinds:
            layer.mistakes.append(UserError(f"--{kind}: there is no kind {kind!r}.", did_you_mean(kind, kinds)))
            continue
        if len(names) > 1 and not kinds[kind].many:
            layer.mistakes.append(UserError(f"--{kind} is given {len(names)} times: {', '.join(names)}.", "Give one."))
        repeated = {name for name in names if names.count(name) > 1}
        if kinds[kind].many:
            layer.mistakes += [twice(f"--{kind} {name}") for name in sorted(repeated)]
        if names:
            layer.picks[kind] = [Pick(name, "command line", f"--{kind} {name}") for name in dict.fromkeys(names)]
    return layer


def read_words(words: Iterable[str], kinds: Mapping[str, Kind], layer: Layer) -> Layer:
    """Put what `words` say into `layer`; what cannot be read becomes its mistakes."""
    for word in words:
        path, equals, value = word.partition("=")
        said = word if layer.origin == "command line" else f"{word} ({layer.origin})"
        if not equals or not path.strip("."):
            layer.mistakes.append(UserError(f"{word!r} is no setting.", _meant(word, kinds)))
        else:
            read_path(path, value, True, layer, kinds, layer.origin, said)
    return layer


def read_environment(environment: Mapping[str, str], kinds: Mapping[str, Kind]) -> Layer:
    """The layer that MODRACK_SET='model.width=128 epochs=3' makes."""
    layer = Layer(f"environment {VARIABLE}")
    try:
        words = shlex.split(environment.get(VARIABLE, ""))
    except ValueError as error:
        layer.mistakes.append(
            UserError(f"{VARIABLE} cannot be read: {error}.", "Write path=value words, as for train.")
        )
        return layer
    return read_words(words, kinds, layer)


def read_path(
    path: str, value: object, text: bool, layer: Layer, kinds: Mapping[str, Kind], origin: str, said: str
) -> None:
    """Put one value into `layer` by its dotted path: `epochs`, `model.width`, `metric.f1.average`."""
    first, _, rest = path.partition(".")
    kind = kinds.get(first)
    if path in settings_options():
        layer.set(Given(path, value, text, origin, said))
    elif kind is None:
        layer.unknown.append(Given(path, value, text, origin, said))
    elif not rest:
        layer.mistakes.append(UserError(f"{said}: components are chosen by flags.", f"Write --{first} {value}"))
    elif kind.many:
        owner, _, option = rest.rpartition(".")
        if owner:
            layer.add(kind, Given(option, value, text, origin, said, owner=owner))
        else:
            hint = f"Write {first}.NAME.{option}=…, where NAME is the {first}'s name."
            layer.mistakes.append(UserError(f"{said}: which {first} is that for?", hint))
    elif "." in rest and has_parts(kind):
        part, _, option = rest.partition(".")
        layer.add(kind, Given(option, value, text, origin, said, part=part))
    elif rest == "use":
        layer.mistakes.append(UserError(f"{said}: components are chosen by flags.", f"Write --{first} {value}"))
    else:
        layer.add(kind, Given(rest, value, text, origin, said))


def _meant(word: str, kinds: Mapping[str, Kind]) -> str:
    if word.partition(".")[0] in kinds or word in settings_options():
        return f"Write {word}=value."
    return "Write path=value, as in model.width=64 or epochs=5."
