"""Commands and events of the bridge that studio and web may use. Version 1; fields are only ever added."""
