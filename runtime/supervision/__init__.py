"""Child processes that are looked after. A process is the fault boundary for native code.

`supervisor` the parent's side: a set of children · `process` one life of one child · `pool` warm spares ·
`child` the child's entry · `lifeline` what the child's code talks to its parent with · `wire` the lines between them.
"""
