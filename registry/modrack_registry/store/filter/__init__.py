"""The filter language: what `modrack runs list` and `modrack.runs` take.

A filter is terms with spaces between, all of which must hold:

    model=cnn lr<0.01 test.accuracy@max>0.9 started>2d -tag:debug

- `|` is or, and binds weaker than the space; parentheses group; `-` right before a term or a group is not.
- A term is KEY OPERATOR VALUE with `=` `!=` `<` `<=` `>` `>=`, `~` (contains; the case of A-Z does not matter),
  `!~`, or `KEY in(A,B)`. `tag:debug` is `tag=debug`.
- In a value of `=`, `!=` and `in`, `*` stands for any characters and `?` for one; `KEY=*` asks that there is a value.
  Quotes, single or double, keep spaces and take every character as itself; `\\` stands before a quote inside.
- `lr=0.001..0.01`, `lr=..0.01` and `epochs=5..` are ranges with both ends in them; a shell leaves them alone.
- A key is an attribute of the run, a kind of part (`model=cnn` or `model=modrack/cnn`), an option by its path, a
  metric, or the end of the path of just one option, or else of just one metric: `lr` is `optimizer.lr`.
- A metric is its last value, or `@min` `@max` `@first` `@best` (by the direction the metric has), `@step` (the last
  one), `@n` (how many points), `@nans` (how many of them are NaN).
- A date is `2026-11-01`, `2026-11-01T12:30`, `2026-11`, `today` or `yesterday`, in local time: its first moment after
  `<` and `>`, all of it after `=` and at the end of a range. `started>2d` is within the last two days; the units are
  s, m, h, d, w, also for `seconds<5m`.
- What is missing or NaN satisfies no comparison, `!=` neither: `-lr=1` finds runs without it, `lr!=1` does not. Tags
  and plugins are never missing: `tag!=a` is `-tag=a`.

`parse` makes the tree (`nodes`), `bind` looks up its keys (`keys`, `subjects`) and reads its values (`read`,
`operands`, `checks`); `compile` makes bound SQL of that, `evaluate` says the same of one run in plain Python, `explain`
in words. A mistake is a UserError that points at its column (`mistakes`). Nothing is ever evaluated as code.
"""
