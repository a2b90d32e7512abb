"""Commands and events of media that other packages may use. Version 1; fields are only ever added.

`feeds`, `channels`, `tape`, `jobs`: one module per owner process (ingest, node, node, jobs).
"""
