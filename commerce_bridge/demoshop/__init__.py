"""The demo's shop: a real one, on Vendure, which is another's program in a process of its own. Nothing of ours imports it, nor it
anything of ours: they speak by HTTP (docs/decisions/0015-demo-shop.md).

`shop/` what runs on Node · `seed.json` what it sells · `process` installs it, starts it and looks after it.
"""
