"""Pictures of products: fetched from where the shop says, made small and harmless, kept on the disk.

The bridge fetches them and no other process does: it is the one that talks to shops, and that an operator lets out to the network.
"""
