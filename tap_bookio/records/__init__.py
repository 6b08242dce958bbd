"""From a row as Bookio lists it to the record that is emitted."""
