"""Commands and events of the studio that web may use. Version 1; fields are only ever added."""
