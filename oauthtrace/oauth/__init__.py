"""The protocol: pure functions over one exchange's text. Nothing here reads files, frames or clocks."""
