"""The stations of an event's road, one module each, in the order the package names them."""
