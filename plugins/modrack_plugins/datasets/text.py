"""Plain text to learn a language from: your own files, or the documentation strings of Python itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Gt

import modrack


@modrack.dataset(gives="text", target="none")
def text(
    *,
    path: Annotated[str, "a file, a folder, a pattern as in 'books/*.txt', or several with commas between"],
    by: Annotated[
        Literal["line", "paragraph", "file", "block"], "what a row is; a block is up to `size` characters of a file"
    ] = "paragraph",
    size: Annotated[int, Gt(0), "characters of a block at most"] = 2000,
    cut: Annotated[Literal["rows", "files"], "what missing splits are cut from: single rows, or whole files"] = "rows",
    suffix: Annotated[str, "files of a folder that are read, by their ending"] = ".txt",
    encoding: Annotated[str, "how the files spell characters"] = "utf-8",
    column: Annotated[str | None, "of tables (csv, json lines, parquet): the column whose texts are the rows"] = None,
) -> Any:
    """Plain text files, or a column of tables: nothing to predict but the text itself.

    Splits are found by the names of files or folders (train.txt, test.txt; train/, test/); where none has such a name
    all is train, from which the others are cut. A paragraph ends at an empty line. Rows without any letter or sign
    are left out, and rows of a held-out split that also stand in train.
    """
    from modrack_plugins.datasets.textfiles import cut_files, find_texts, read_column, read_rows
    from modrack_plugins.datasets.textrows import as_splits

    files = find_texts(path, suffix)
    if cut == "files" and list(files) == ["train"]:
        files = cut_files(files["train"], path)
    rows = {
        split: read_rows(each, by, size, encoding) if column is None else read_column(each, column)
        for split, each in files.items()
    }
    if not rows["train"]:
        raise modrack.UserError(f"dataset.path={path}: there is no text in it.")
    return as_splits(rows)


@modrack.dataset(gives="text", target="none")
def python_docs(*, shortest: Annotated[int, Gt(0), "characters that a documentation string has at least"] = 40) -> Any:
    """Python's own documentation strings: English prose about programs, 1.5 million characters. Offline.

    Of modules, classes and functions of the standard library, read from the installed files without running them.
    A string is kept once. Whole modules are held out: a tenth each for validation and test, by a hash of their name.
    The same each time for one version of Python.
    """
    from modrack_plugins.datasets.docstrings import documentation, held_out
    from modrack_plugins.datasets.textrows import as_splits

    rows: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for module, text in documentation():
        if len(text) >= shortest:
            rows[held_out(module)].append(text)
    return as_splits(rows)
