"""What a component is, how plugins are found, and where runs are kept.

Read in this order: `kinds` (the roles a component can play), `component` (one named part),
`options` (what its user may choose), `decorators` (how an author declares it), `hookspecs`
(what a plugin can add that is not a component), `discovery` (finding plugins without trusting
them), `registry` (looking parts up by name). `store` keeps the runs.

Nothing here imports torch, and nothing here knows a plugin by name.
"""
